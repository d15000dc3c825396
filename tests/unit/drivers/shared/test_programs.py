from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from drivers.shared.programs import run
from tests.support.processes import wait_gone

SLEEPER = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "1000"], stdout=sys.stdout)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(1000)
"""


async def test_what_a_program_says_and_how_it_ends_is_told() -> None:
    ran = await run(["sh", "-c", "cat; echo first >&2; echo last >&2; echo >&2; exit 7"], "given\n")
    assert (ran.code, ran.output, ran.errors) == (7, "given\n", "last")


async def test_nothing_of_our_environment_is_handed_on(tmp_path: Path) -> None:
    os.environ["SECRET_OF_OURS"] = "x"
    try:
        ran = await run(["env"], variables={"A": "b"})
    finally:
        del os.environ["SECRET_OF_OURS"]
    assert "SECRET_OF_OURS" not in ran.output
    assert "A=b" in ran.output


async def test_a_program_that_does_not_end_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await run([sys.executable, "-ISc", SLEEPER, str(told)])
    wait_gone(int(told.read_text()))


async def test_a_program_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        await run(["no-such-program"])
