"""
All tests, for `make test`: what only computes runs at low priority beside what needs labs, which mostly wait.

The last line counts both: ``N passed, N failed, N skipped``. An interrupt ends both in good order, each with the
clean-up of its fixtures; a second one does not disturb that.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree as ET

TESTS = Path(__file__).parent
COMPUTING = ("unit", "sim")
WAITING = ("conformance", "integration", "drills")
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
    """A pytest in a session of its own: a terminal's Ctrl-C reaches it through us, once. It does not outlive us."""
    paths = [str(TESTS / each) for each in folders]
    command = ["setpriv", "--pdeathsig", "INT", "nice", "-n", str(nice), sys.executable, "-m", "pytest", "-q", *options]
    return subprocess.Popen(
        [*command, f"--junitxml={report}", *paths],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
    )


@contextmanager
def ending_together(parts: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Before ``parts`` is filled: a program started while SIGINT is ignored ignores it too, one that is caught not."""
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
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reberth-tests-") as name:
        folder = Path(name)
        shown = folder / "computing.out"
        reports = [folder / "computing.xml", folder / "waiting.xml"]
        parts: list[subprocess.Popen[bytes]] = []
        with ending_together(parts), shown.open("wb") as output:
            parts.append(start(COMPUTING, reports[0], "-p", "no:cacheprovider", nice=10, output=output))
            parts.append(start(WAITING, reports[1], "--durations=25"))
            codes = [part.wait() for part in reversed(parts)]
        sys.stdout.flush()
        sys.stdout.buffer.write(shown.read_bytes())
        total = sum((counted(each) for each in reports), Counts())
    sys.stdout.write(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped\n")
    return 0 if codes == [0, 0] else 1


if __name__ == "__main__":
    sys.exit(main())
