"""A helper program, a real one: what it answers, and what becomes of a question when it does not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.shared.faults import Doubt, NotSent
from drivers.shared.helper import Helper
from tests.support.processes import wait_gone

# Does what the question says, and tells its own process with each answer. ``first``: its first line.
PROGRAM = """
import json, os, subprocess, sys, time
print(sys.argv[1], flush=True)
kept = []
for line in sys.stdin:
    question = json.loads(line)
    ask = question["ask"]
    if ask == "garbage":
        print("Warning: something", flush=True)
    elif ask == "other":
        print(json.dumps({"number": 999}), flush=True)
    elif ask == "list":
        print("[1]", flush=True)
    elif ask == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    elif ask == "hang":
        time.sleep(1000)
    elif ask == "die":
        print("it hurts", file=sys.stderr)
        sys.exit(3)
    elif ask == "child":
        kept.append(subprocess.Popen(["sleep", "1000"]))
        print(json.dumps({"number": question["number"], "pid": kept[-1].pid}), flush=True)
    elif ask == "later":
        kept.append(question)
    elif ask == "own":
        print(json.dumps({"number": question["number"], "pid": os.getpid()}), flush=True)
    else:
        for each in [question, *kept]:
            print(json.dumps({"number": each["number"], "ask": each["ask"], "pid": os.getpid()}), flush=True)
        kept.clear()
"""
GOOD = '{"connected": true}'
SOON, LONG = 1.0, 30.0


class Made:
    def __init__(self, folder: Path) -> None:
        self.program = folder / "program.py"
        self.program.write_text(PROGRAM)

    def helper(self, first: str = GOOD, at_once: int = 4) -> Helper:
        return Helper("the helper", (sys.executable, "-IS", str(self.program), first), at_once)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.fixture
async def helper(made: Made) -> AsyncIterator[Helper]:
    one = made.helper()
    yield one
    await one.close()


async def pid(helper: Helper) -> int:
    return int((await helper.ask({"ask": "echo"}, LONG))["pid"])


async def test_one_program_answers_all_questions(helper: Helper) -> None:
    assert len({await pid(helper) for _ in range(3)}) == 1


async def test_questions_that_are_asked_at_once_start_one_program_and_have_their_own_answers(helper: Helper) -> None:
    """Also where the first one is answered last."""
    later = asyncio.ensure_future(helper.ask({"ask": "later"}, LONG))
    await asyncio.sleep(0)
    now = await helper.ask({"ask": "now"}, LONG)
    assert (now["ask"], (await later)["ask"]) == ("now", "later")
    assert now["pid"] == (await later)["pid"]


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        *((each, "not understood") for each in ("garbage", "other", "list")),
        ("endless", "no end"),
        ("hang", "within 1 s"),
        ("die", "it hurts"),
    ],
)
async def test_a_question_without_a_good_answer_is_in_doubt_and_the_next_one_is_asked_of_a_new_program(
    helper: Helper, ask: str, why: str
) -> None:
    """No line of JSON, an answer to nobody's question, a line without an end, no answer at all, its end."""
    before = await pid(helper)
    with pytest.raises(Doubt, match=why):
        await helper.ask({"ask": ask}, SOON if ask == "hang" else LONG)
    wait_gone(before)
    assert await pid(helper) != before


async def test_one_that_is_halted_is_killed_with_all_that_it_started(helper: Helper) -> None:
    child = int((await helper.ask({"ask": "child"}, LONG))["pid"])
    halted = await pid(helper)
    os.kill(halted, signal.SIGSTOP)
    with pytest.raises(Doubt, match="within 1 s"):
        await helper.ask({"ask": "echo"}, SOON)
    wait_gone(halted)
    wait_gone(child)
    assert await pid(helper) != halted


async def test_one_that_is_killed_leaves_each_open_question_in_doubt(helper: Helper) -> None:
    """A killed one may have done it: a refusal would be a lie."""
    both = [asyncio.ensure_future(helper.ask({"ask": "later"}, LONG)) for _ in range(2)]
    os.kill(int((await helper.ask({"ask": "own"}, LONG))["pid"]), signal.SIGKILL)
    found = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in found] == [Doubt, Doubt]


async def test_whoever_stops_waiting_ends_it(helper: Helper) -> None:
    """What was asked would be done later, at any time."""
    before = await pid(helper)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await helper.ask({"ask": "hang"}, LONG)
    wait_gone(before)


async def test_no_more_questions_than_allowed_are_asked_at_once(made: Made) -> None:
    """The deadline of one that waits for its turn has not begun."""
    helper = made.helper(at_once=1)
    first = asyncio.ensure_future(helper.ask({"ask": "hang"}, SOON))
    await asyncio.sleep(0)
    assert (await helper.ask({"ask": "echo"}, LONG))["ask"] == "echo"
    with pytest.raises(Doubt):
        await first
    await helper.close()


@pytest.mark.parametrize("first", ['{"why": "no connection"}', "Traceback", ""])
async def test_a_first_line_that_is_not_good_means_that_nothing_was_asked(made: Made, first: str) -> None:
    helper = made.helper(first)
    with pytest.raises(NotSent):
        await helper.ask({"ask": "echo"}, LONG)
    await helper.close()


async def test_a_start_that_failed_while_others_waited_for_it_has_failed_for_them_too(tmp_path: Path) -> None:
    """Each would wait as long as the one before otherwise, one after the other."""
    (tmp_path / "slow.sh").write_text('echo $$ >>"$1"; sleep 1; echo \'{"why": "no connection"}\'; sleep 1000')
    helper = Helper("the helper", ("sh", str(tmp_path / "slow.sh"), str(tmp_path / "starts")), 4)
    found = await asyncio.gather(*(helper.ask({"ask": "echo"}, LONG) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in found] == ["the helper: no connection"] * 3
    assert len((tmp_path / "starts").read_text().split()) == 1
    with pytest.raises(NotSent):
        await helper.ask({"ask": "echo"}, LONG)
    assert len((tmp_path / "starts").read_text().split()) == 2
    await helper.close()


async def test_whoever_stops_waiting_for_its_beginning_leaves_it_for_the_next_one(tmp_path: Path) -> None:
    """It was asked nothing; a machine on which it begins slower than anybody waits would never have one."""
    (tmp_path / "slow.sh").write_text(
        'echo $$ >>"$1"; sleep 2; echo \'{"ready": 1}\'; read q; echo \'{"number": 1}\'; read q'
    )
    helper = Helper("the helper", ("sh", str(tmp_path / "slow.sh"), str(tmp_path / "starts")), 4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await helper.ask({"ask": "echo"}, LONG)
    assert await helper.ask({"ask": "echo"}, LONG) == {"number": 1}
    assert len((tmp_path / "starts").read_text().split()) == 1
    await helper.close()


async def test_one_that_does_not_begin_is_ended_though_nobody_waits_long_enough_to_see_it(tmp_path: Path) -> None:
    """Its time is counted from its start."""
    (tmp_path / "never.sh").write_text('echo $$ >>"$1"; sleep 1000')
    helper = Helper("the helper", ("sh", str(tmp_path / "never.sh"), str(tmp_path / "starts")), 4)
    for _ in range(8):
        with pytest.raises((TimeoutError, NotSent)):
            async with asyncio.timeout(0.5):
                await helper.ask({"ask": "echo"}, 1.2)
    assert len((tmp_path / "starts").read_text().split()) > 1
    await helper.close()


async def test_a_program_that_does_not_begin_or_is_not_there_was_asked_nothing(tmp_path: Path) -> None:
    for argv in (("sleep", "1000"), ("/no/such/program",)):
        helper = Helper("the helper", argv, 1)
        with pytest.raises(NotSent):
            await helper.ask({"ask": "echo"}, 0.5)
        await helper.close()


async def test_a_closed_one_leaves_no_process(made: Made) -> None:
    helper = made.helper()
    gone = await pid(helper)
    await helper.close()
    wait_gone(gone)
