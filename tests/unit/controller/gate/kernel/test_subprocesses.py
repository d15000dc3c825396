"""Blocking calls that hang, and what they may cost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from controller.gate.kernel.subprocesses import Questions, Stalled

SOON = 0.02
WHAT = "a read from the disk 8:16"


class Disk:
    """Answers no question before ``answers`` is set; counts those that were put to it."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = 0

    def read(self) -> int:
        self.asked += 1
        number = self.asked
        self.answers.wait()
        return number


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 -- a thread ends without telling
            await asyncio.sleep(0.001)


async def test_a_disk_that_hangs_costs_one_thread_however_often_it_is_asked() -> None:
    """And its answer ends the stall: the next question is a new one."""
    disk, questions, before = Disk(), Questions(SOON), threading.active_count()
    for _ in range(50):
        with pytest.raises(Stalled, match="a read from the disk 8:16 has had no answer"):
            await questions.ask(WHAT, disk.read)
    assert (disk.asked, threading.active_count()) == (1, before + 1)

    disk.answers.set()
    await until(lambda: threading.active_count() == before)
    assert await questions.ask(WHAT, disk.read) == 2


async def test_one_disk_that_hangs_delays_no_question_to_another() -> None:
    disk, questions = Disk(), Questions()
    async with asyncio.TaskGroup() as tasks:
        stuck = tasks.create_task(questions.ask(WHAT, disk.read))
        assert await questions.ask("a read from the disk 8:32", lambda: "at once") == "at once"
        assert not stuck.done()
        disk.answers.set()
    assert stuck.result() == 1


async def test_evidence_is_not_the_answer_to_a_question_from_before() -> None:
    """What hung since before a mount says nothing of the time after it."""
    disk, questions = Disk(), Questions(SOON)
    with pytest.raises(Stalled):
        await questions.fresh(WHAT, disk.read)
    with pytest.raises(Stalled):
        await questions.fresh(WHAT, disk.read)
    disk.answers.set()
    await until(lambda: not questions._open)
    assert await questions.fresh(WHAT, disk.read) == 2


async def test_evidence_waits_for_an_old_question_and_asks_anew() -> None:
    disk, questions = Disk(), Questions()
    async with asyncio.TaskGroup() as tasks:
        old = tasks.create_task(questions.ask(WHAT, disk.read))
        await until(lambda: disk.asked == 1)
        new = tasks.create_task(questions.fresh(WHAT, disk.read))
        await asyncio.sleep(0)
        disk.answers.set()
    assert (old.result(), new.result()) == (1, 2)


async def test_a_result_that_nobody_waits_for_any_more_is_given_back() -> None:
    """A device that was opened in vain must not stay open."""
    disk, questions, closed = Disk(), Questions(SOON), list[int]()
    with pytest.raises(Stalled):
        await questions.ask(WHAT, disk.read, closed.append)
    disk.answers.set()
    await until(lambda: closed == [1])
    assert await questions.ask(WHAT, disk.read, closed.append) == 2
    assert closed == [1]


async def test_a_failure_is_told_to_whoever_asks_and_to_nobody_else() -> None:
    def fails() -> None:
        raise OSError("input/output error")

    with pytest.raises(OSError, match="input/output error"):
        await Questions().ask(WHAT, fails)
