"""Whether our programs grow: memory and open files of each process, over the whole run. `measured` looks at them."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.drill.chaos.report import Trend
from deploy.lab.kernel import processes

PROGRAM = b"/opt/reberth/bin/reberth"
PROGRAMS = ("controller", "gate", "node")
WARM = 300.0  # seconds in which a process may fill its caches
SHOWN = 60.0  # seconds that a process must have been seen to be in the report
JUDGED = 1500.0  # and to be judged
MOST_KIBIBYTES, MOST_FILES = 16 * 1024.0, 12.0  # an hour
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment."""

    at: float
    node: str
    program: str
    pid: int
    kibibytes: int
    files: int


def measured(lab: str, node: str) -> Iterator[Usage]:
    """All of our processes in a node."""
    init = processes.node_init(lab, node)
    for pid in processes.members(init) if init is not None else ():
        proc = Path(f"/proc/{pid}")
        try:
            words = (proc / "cmdline").read_bytes().split(b"\0")
            program = _program(words)
            if program:
                pages = int((proc / "statm").read_text().split()[1])
                yield Usage(time.time(), node, program, pid, pages * 4, len(list((proc / "fd").iterdir())))
        except OSError:  # it ended meanwhile
            continue


def _program(words: Sequence[bytes]) -> str:
    """Which of ours a command line is; nothing for commands that people and health checks run."""
    if PROGRAM not in words:
        return ""
    word = words[words.index(PROGRAM) + 1 :][:1]
    return word[0].decode(errors="replace") if word and word[0].decode(errors="replace") in PROGRAMS else ""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """An hour's growth, by the median of all pairs: one look at a bad moment changes nothing (Theil and Sen)."""
    pairs = itertools.combinations(points, 2)
    slopes = [(b - a) / (until - since) for (since, a), (until, b) in pairs if until > since]
    return statistics.median(slopes) * HOUR if slopes else 0.0


def _each(usage: Iterable[Usage]) -> Iterator[list[Usage]]:
    """By process, once it is warm."""
    seen: dict[tuple[str, int], list[Usage]] = {}
    for each in usage:
        seen.setdefault((each.node, each.pid), []).append(each)
    for found in seen.values():
        yield [each for each in found if each.at - found[0].at >= WARM] or found[:1]


def _slopes(found: Sequence[Usage]) -> tuple[float, float]:
    memory = slope([(each.at, float(each.kibibytes)) for each in found])
    return memory, slope([(each.at, float(each.files)) for each in found])


def trends(usage: Iterable[Usage]) -> Iterator[Trend]:
    """Of each process that was seen for some time."""
    for found in _each(usage):
        first, last = found[0], found[-1]
        if last.at - first.at >= SHOWN:
            memory, files = _slopes(found)
            yield Trend(
                node=f"{first.node} {first.program}",
                minutes=round((last.at - first.at) / 60, 1),
                kibibytes=(first.kibibytes, last.kibibytes),
                files=(first.files, last.files),
                hourly=(round(memory), round(files, 1)),
            )


def growing(usage: Iterable[Usage]) -> Iterator[str]:
    """Sentences, of processes that lived long enough to tell."""
    for found in _each(usage):
        first, last = found[0], found[-1]
        memory, files = _slopes(found)
        if last.at - first.at < JUDGED:
            continue
        if memory > MOST_KIBIBYTES:
            mebibytes = f"{memory / 1024:.0f} MiB"
            yield f"the {first.program} on {first.node} grows by {mebibytes} an hour, now {last.kibibytes} KiB"
        if files > MOST_FILES:
            yield f"the {first.program} on {first.node} opens {files:.0f} files more an hour, now {last.files}"
