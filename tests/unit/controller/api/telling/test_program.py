"""A program is told on its standard input, without a shell, arguments or secrets, and never without an end."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from controller.api.telling.notices import Told
from controller.api.telling.program import Program, program
from controller.model import EvidenceKind, Moment, VolumeName
from controller.reconciler.state import LoopState
from controller.records.moves import Move
from controller.settings import SettingsError

DATA = VolumeName("data")
MOVE = Move(5.0, "n1", "n2", EvidenceKind.POWERED_OFF, "seen off", {Moment.MOUNTED: 3.0})


def script(folder: Path, text: str) -> Path:
    file = folder / "hook"
    file.write_text(f"#!{sys.executable}\nimport os, sys, time\n" + textwrap.dedent(text))
    file.chmod(0o755)
    return file


@asynccontextmanager
async def telling(file: Path, seconds: float = 60.0) -> AsyncIterator[Program]:
    made = Program(LoopState(asyncio.get_running_loop().time), file, (0.0, 0.0), seconds)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run())
        yield made
        running.cancel()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.05)


async def test_it_gets_the_move_as_json_and_neither_arguments_nor_the_controllers_environment(tmp_path: Path) -> None:
    out, seen = tmp_path / "out", tmp_path / "seen"
    hook = script(
        tmp_path,
        f"""
        open({str(seen)!r}, "w").write(repr((sys.argv[1:], sorted({{*os.environ}} - {{"LC_CTYPE"}}), os.getcwd())))
        open({str(out)!r} + ".new", "w").write(sys.stdin.read())
        os.rename({str(out)!r} + ".new", {str(out)!r})
        """,
    )
    async with telling(hook) as made:
        made.moved(DATA, MOVE)
        await until(out.exists)
    told = msgspec.json.decode(out.read_bytes(), type=Told)
    assert (told.event, told.volume, told.why) == ("moved", "data", "failover")
    assert seen.read_text() == "([], ['PATH'], '/')"


async def test_one_that_fails_is_started_again_until_it_takes_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hook = script(
        tmp_path,
        f"""
        tries = {str(tmp_path / "tries")!r}
        before = os.path.getsize(tries) if os.path.exists(tries) else 0
        open(tries, "a").write("x")
        if before < 2:
            sys.exit(3)
        open({str(out)!r}, "w").write("taken")
        """,
    )
    async with telling(hook) as made:
        made.moved(DATA, MOVE)
        await until(out.exists)
    assert (tmp_path / "tries").read_text() == "xxx"


async def test_one_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hook = script(
        tmp_path,
        f"""
        child = os.fork()
        if child:
            open({str(pids)!r}, "w").write(str(child))
        time.sleep(600)
        """,
    )
    made = Program(LoopState(asyncio.get_running_loop().time), hook, seconds=3.0)
    assert await made.attempt(b"{}") == "it was not done after 3 s, and was killed"
    child = int(pids.read_text())
    await until(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    """A zombie that nobody has collected yet runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_how_one_ended_is_said_and_one_that_reads_nothing_may_take_it_all_the_same(tmp_path: Path) -> None:
    state = LoopState(asyncio.get_running_loop().time)
    assert await Program(state, script(tmp_path, "sys.exit(7)")).attempt(b"{}") == "it ended with 7"
    assert await Program(state, script(tmp_path, "pass")).attempt(b"x" * 1_000_000) == ""
    gone = Program(state, tmp_path / "none")
    assert (await gone.attempt(b"{}")).startswith("it could not be started: No such file")


def test_what_is_no_program_or_anybodys_is_refused_at_the_start(tmp_path: Path) -> None:
    file = script(tmp_path, "pass")
    assert program(None) is None
    assert program(file) == file
    file.chmod(0o757)
    with pytest.raises(SettingsError, match="may be written by anybody"):
        program(file)
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="is no program"):
        program(file)
    for other in (tmp_path, Path(os.path.relpath(file))):
        with pytest.raises(SettingsError, match="is no program"):
            program(other)
    with pytest.raises(SettingsError, match="cannot be started: No such file"):
        program(tmp_path / "none")
