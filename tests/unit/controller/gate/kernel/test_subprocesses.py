"""Blocking calls that hang, and what they may cost."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable

import pytest

from controller.gate.kernel.subprocesses import LASTS, Questions, Signs, Stalled, Watch, run, signs_of

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


class Ear:
    """What was said of a step, and of a disk that answers nothing."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.trouble: str | None = None

    def suffer(self, trouble: str | None) -> None:
        self.trouble = trouble

    def watch(self) -> Watch:
        return Watch(("/dev/sdb", "8:16"), self.steps.append, self.suffer, lambda: 36_000 + loop_time())


def loop_time() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.looptime
async def test_a_long_check_of_a_disk_that_answers_is_told_once_with_its_beginning() -> None:
    """For hours; each word is a line in the log."""
    ear = Ear()
    watch = ear.watch()
    with watch.over(lambda: Signs((int(loop_time()),), awaited=True)):
        await asyncio.sleep(60)
        watch("checking /dev/sdb (e2fsck -p)")
        await asyncio.sleep(4 * 3600)
        assert ear.trouble is None
    assert list(dict.fromkeys(ear.steps)) == [
        "checking /dev/sdb (e2fsck -p)",
        LASTS.format("checking /dev/sdb (e2fsck -p)", "10:01:00 UTC"),
    ]


@pytest.mark.looptime
async def test_a_disk_that_completes_nothing_is_told_as_stalled_until_it_answers() -> None:
    """With the disk, and since when."""
    ear, done = Ear(), [7]
    watch = ear.watch()
    with watch.over(lambda: Signs(tuple(done), awaited=True)):
        watch("checking /dev/sdb (e2fsck -p)")
        await asyncio.sleep(14)
        assert ear.trouble is None
        await asyncio.sleep(7)
        assert "stalled: the disk /dev/sdb (8:16) has answered nothing since 10:00:00 UTC" in (ear.trouble or "")

        done[0] += 1
        await asyncio.sleep(6)
        assert ear.trouble is None
        assert ear.steps[-1] == LASTS.format("checking /dev/sdb (e2fsck -p)", "10:00:00 UTC")


@pytest.mark.looptime
async def test_a_disk_that_nothing_waits_for_is_not_stalled() -> None:
    """A program that only computes."""
    ear = Ear()
    watch = ear.watch()
    with watch.over(lambda: Signs((7,), awaited=False)):
        watch("checking /dev/sdb (e2fsck -p)")
        await asyncio.sleep(100)
        assert ear.trouble is None


@pytest.mark.looptime
async def test_a_stall_is_told_no_more_when_its_work_has_ended() -> None:
    """By an error, for example."""
    ear = Ear()
    with ear.watch().over(lambda: Signs((7,), awaited=True)):
        await asyncio.sleep(30)
        assert ear.trouble is not None
    assert ear.trouble is None
    await asyncio.sleep(30)
    assert ear.trouble is None


async def test_a_program_of_ours_that_has_the_disk_is_among_its_signs() -> None:
    """By the path that it was given; one that sleeps waits for no disk."""
    assert signs_of("/dev/none", "999:999") == Signs((), awaited=False)
    async with asyncio.TaskGroup() as tasks:
        program = tasks.create_task(run("sleep", "0.5"))
        await until(lambda: len(signs_of("0.5", "999:999").done) == 2)
        assert not signs_of("0.5", "999:999").awaited
        await program
    assert signs_of("0.5", "999:999").done == ()


SLEEPS_UNINTERRUPTIBLY = """
import ctypes, os, time
CLONE_VFORK, SIGCHLD = 0x4000, 17
clone = 56 if os.uname().machine == "x86_64" else 220
if ctypes.CDLL(None).syscall(clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0:
    time.sleep(1)
    os._exit(0)
"""


async def test_a_program_that_cannot_be_interrupted_waits_for_its_disk_though_nothing_is_in_flight() -> None:
    """As behind a queue that is held back; here it waits for a child as vfork(2) does."""
    async with asyncio.TaskGroup() as tasks:
        program = tasks.create_task(run(sys.executable, "-I", "-c", SLEEPS_UNINTERRUPTIBLY, "/dev/held-back"))
        await until(lambda: signs_of("/dev/held-back", "999:999").awaited)
        await program
    assert not signs_of("/dev/held-back", "999:999").awaited
