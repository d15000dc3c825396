"""
All tests, for `make test`, in streams side by side: most drills; the components, which mostly wait; and what only
computes, at lower priority; the drills that are left follow on those two. Beside them is what waits for Swarm's own
minutes. The drill on emulated machines comes after them all. Each process has its own labs, told apart by its number.

The last line counts all: ``N passed, N failed, N skipped``. An interrupt ends each in good order, with the clean-up of
its fixtures; a second one does not disturb that.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree as ET

from deploy.lab.kernel.priority import prefer

TESTS = Path(__file__).parent
# Drills with labs of their own, after what computes and after what waits: the streams end together so.
SECOND = tuple(f"drills/test_{name}.py" for name in ("vsphere", "lost_swarm"))
THIRD = tuple(f"drills/test_{name}.py" for name in ("day", "moves", "on_swarm"))
WAITING = "drills/test_overlap.py"  # a minute for each container that does not end, with nothing to do meanwhile
EMULATED = "drills/test_vms.py"  # three machines that keep both cores busy, and whose clocks must not starve: last
PARTS = {
    "computing": ("unit", "attacks", "sim"),
    "drills": ("drills", *(f"--ignore={TESTS / each}" for each in (*SECOND, *THIRD, WAITING, EMULATED))),
    "components": ("conformance", "integration"),
    "second drills": SECOND,
    "third drills": THIRD,
    "waiting": (WAITING,),
    "emulated": (EMULATED,),
}
# One after the other in each.
STREAMS = (("computing", "second drills"), ("drills",), ("components",), ("waiting", "third drills"))
ELSEWHERE = ("storage", "services")  # by commands of their own: `make drill-storage`, `make drill-services`
LAST = "emulated"
SHOWN = "components"  # while it runs; the others when all have ended
PRIORITY = {"computing": 2}  # niceness: it always has something to do, and the others' machines have clocks
Parts = Mapping[str, tuple[str, ...]]  # name -> folders, files and options of its pytest
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def counted(report: Path) -> Counts:
    """What pytest's JUnit file says; nothing where a run ended before it wrote one."""
    if not report.exists():
        return Counts()
    suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314
    tests, failures, errors, skipped = (int(suite.get(each, 0)) for each in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    return Counts(max(0, tests - failed - skipped), failed, skipped)


def start(
    folders: Iterable[str], report: Path, *options: str, nice: int = 0, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """
    ``folders``: below tests/, or options.

    A pytest in a session of its own: a terminal's Ctrl-C reaches it through us, once. It does not outlive us.
    """
    paths = [each if each.startswith("--") else str(TESTS / each) for each in folders]
    command = ["setpriv", "--pdeathsig", "INT", "nice", "-n", str(nice), sys.executable, "-m", "pytest", "-q", *options]
    process = subprocess.Popen(
        [*command, f"--junitxml={report}", *paths],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
    )
    prefer(process.pid, nice)
    return process


@contextmanager
def ending_together(parts: list[subprocess.Popen[bytes]]) -> Iterator[Callable[[], bool]]:
    """
    Answers whether they were told to end.

    Before ``parts`` is filled: a program started while SIGINT is ignored ignores it too, one that is caught not.
    """
    told = False

    def tell(*_: object) -> None:
        nonlocal told
        if not told:
            told = True
            for part in parts:
                if part.poll() is None:
                    part.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, tell) for number in SIGNALS}
    try:
        yield lambda: told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def quietly(_part: str, _code: int) -> None:
    """Nothing is done about a part that has ended."""


class Run:
    """
    ``folder``: where the report and the output of each of these parts go. ``shown``: the one that writes to ours.
    """

    def __init__(
        self, folder: Path, files: ExitStack, parts: Parts, options: Iterable[str] = (), shown: str | None = None
    ) -> None:
        self._files, self._parts, self._options = files, parts, ("-p", "no:cacheprovider", *options)
        self.reports = {part: folder / f"{part}.xml" for part in parts}
        self.kept = {part: folder / f"{part}.out" for part in parts if part != shown}
        self.started: list[subprocess.Popen[bytes]] = []

    def begin(self, part: str) -> subprocess.Popen[bytes]:
        output = self._files.enter_context(self.kept[part].open("wb")) if part in self.kept else None
        nice = PRIORITY.get(part, 0)
        process = start(self._parts[part], self.reports[part], *self._options, nice=nice, output=output)
        self.started.append(process)
        return process

    def streams(
        self, left: list[list[str]], told: Callable[[], bool], ended: Callable[[str, int], None] = quietly
    ) -> None:
        """
        Until all have ended; what has not begun when we are told to end does not begin.

        ``left``: what each stream does, one part after the other; streams that share one list take turns at it.
        ``ended``: is told of each part, with its exit code.
        """
        running: list[tuple[str, subprocess.Popen[bytes]] | None] = [None] * len(left)
        while any(left) or any(running):
            for number, parts in enumerate(left):
                last = running[number]
                if last is not None and last[1].poll() is None:
                    continue
                if last is not None:
                    ended(last[0], last[1].returncode)
                if told():
                    parts.clear()
                running[number] = (parts[0], self.begin(parts.pop(0))) if parts else None
            time.sleep(0.2)

    def show(self, parts: Iterable[str]) -> None:
        """What these have printed."""
        for part in parts:
            if part in self.kept and self.kept[part].exists():
                sys.stdout.buffer.write(f"\n{part}:\n".encode() + self.kept[part].read_bytes())
                sys.stdout.buffer.flush()

    def closed(self, *, cut_off: bool) -> int:
        """The last line, and how all ends."""
        codes = [each.wait() for each in self.started]
        total = sum((counted(each) for each in self.reports.values()), Counts())
        sys.stdout.write(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped\n")
        return 1 if cut_off or any(codes) else 0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reberth-tests-") as name, ExitStack() as files:
        run = Run(Path(name), files, PARTS, ["--durations=25"], SHOWN)
        with ending_together(run.started) as told:
            run.streams([list(each) for each in STREAMS], told)
            if not told():
                run.begin(LAST).wait()
            cut_off = told()
        sys.stdout.flush()
        run.show(PARTS)
        return run.closed(cut_off=cut_off)


if __name__ == "__main__":
    sys.exit(main())
