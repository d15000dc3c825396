"""
What an appending writer left: whose lines they are, whether numbers are missing, whether two wrote at once. Pure.

A line is ``NUMBER WRITER UNIXTIME``. A writer goes on after the last number that it finds, and each line is on the disk
before the next one is written: so numbers grow by one, and each writer's lines stand together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    writer: str
    at: float


def parse(text: str) -> tuple[list[Line], int]:
    """The lines, and how many are no lines: one that a power failure cut off may stand at the end of a writer's."""
    found: list[Line] = []
    torn = 0
    for raw in text.splitlines():
        line = _line(raw)
        if line is None:
            torn += 1
        else:
            found.append(line)
    return found, torn


def _line(raw: str) -> Line | None:
    words = raw.split()
    try:
        return Line(int(words[0]), words[1], float(words[2])) if len(words) == 3 else None
    except ValueError:
        return None


def judge(name: str, lines: Sequence[Line], torn: int, least: int) -> Iterator[str]:
    """Sentences. ``least``: a number that was read back before, and so must be there still."""
    last = lines[-1].number if lines else 0
    if last < least:
        yield f"{name}: {least - last} lines that were there are gone (now {last}, before {least})"
    if holes := _holes(lines):
        yield f"{name}: {len(holes)} times a number does not follow the one before, first {holes[0]}"
    yield from _turns(name, lines, torn)


def _holes(lines: Sequence[Line]) -> list[tuple[int, int]]:
    return [(a.number, b.number) for a, b in itertools.pairwise(lines) if b.number != a.number + 1]


def _turns(name: str, lines: Sequence[Line], torn: int) -> Iterator[str]:
    runs = [writer for writer, _ in itertools.groupby(line.writer for line in lines)]
    back = {writer for writer in runs if runs.count(writer) > 1}
    if back:
        yield f"{name}: {len(back)} writers wrote again after another one had begun: {', '.join(sorted(back))}"
    if torn > len(runs):
        yield f"{name}: {torn} torn lines of {len(runs)} writers"
