"""
What breaks when: episodes of one to three overlapping faults, all from a seed. Pure.

An episode ends with everything cured; then all has to be well again. The same seed gives the same episodes, so one of
them can be played again alone, and made smaller.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

MOST_AT_ONCE = 3
LATEST = 15.0  # seconds into an episode at which a fault may begin
SHORTEST, LONGEST = 3.0, 45.0  # seconds that a fault lasts


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault that can be chosen. ``weight``: how often, beside the others."""

    name: str
    weight: int = 1
    lasts: bool = True  # else it is over at once, as a kill is


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of an episode; seconds from its beginning."""

    fault: str
    node: str
    begins: float
    ends: float

    def __str__(self) -> str:
        lasting = f" for {self.ends - self.begins:.0f} s" if self.ends > self.begins else ""
        return f"{self.begins:.0f} s: {self.fault} {self.node}{lasting}"


@dataclass(frozen=True, slots=True)
class Episode:
    number: int
    faults: tuple[Planned, ...]

    def __str__(self) -> str:
        return f"episode {self.number}: " + "; ".join(map(str, self.faults))

    def moments(self) -> list[tuple[float, bool, Planned]]:
        """When each begins (True) and ends (False), in order; what ends at once is cured right after it began."""
        both = [(each.begins, True, each) for each in self.faults] + [(each.ends, False, each) for each in self.faults]
        return sorted(both, key=lambda moment: (moment[0], not moment[1]))


def episodes(seed: int, kinds: Sequence[Kind], nodes: Sequence[str]) -> Iterator[Episode]:
    """Without an end. Each is made from the seed and its own number alone."""
    number = 0
    while True:
        number += 1
        yield episode(seed, number, kinds, nodes)


def episode(seed: int, number: int, kinds: Sequence[Kind], nodes: Sequence[str]) -> Episode:
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 -- repeatable on purpose
    chosen: dict[tuple[str, str], Planned] = {}
    for kind in chance.choices(kinds, [each.weight for each in kinds], k=chance.randint(1, MOST_AT_ONCE)):
        node = chance.choice(list(nodes))
        begins = round(chance.uniform(0.0, LATEST), 1)
        lasts = round(chance.uniform(SHORTEST, LONGEST), 1) if kind.lasts else 0.0
        chosen.setdefault((kind.name, node), Planned(kind.name, node, begins, round(begins + lasts, 1)))
    return Episode(number, tuple(sorted(chosen.values(), key=lambda each: each.begins)))


def smaller(found: Episode) -> Iterator[Episode]:
    """Candidates with one fault less, then with one that begins with the episode or lasts half as long."""
    for index in range(len(found.faults)) if len(found.faults) > 1 else ():
        yield replace(found, faults=found.faults[:index] + found.faults[index + 1 :])
    for index, each in enumerate(found.faults):
        for other in _easier(each):
            yield replace(found, faults=(*found.faults[:index], other, *found.faults[index + 1 :]))


def _easier(each: Planned) -> Iterator[Planned]:
    if each.begins > 0:
        yield replace(each, begins=0.0, ends=round(each.ends - each.begins, 1))
    if each.ends - each.begins > 2 * SHORTEST:
        yield replace(each, ends=round(each.begins + (each.ends - each.begins) / 2, 1))


def shrink(found: Episode, fails: Callable[[Episode], bool], tries: int = 12) -> Episode:
    """The smallest episode that was found to fail still, with at most so many tries: each costs minutes."""
    left = tries
    while left > 0:
        for candidate in smaller(found):
            left -= 1
            if fails(candidate):
                found = candidate
                break
            if left <= 0:
                return found
        else:
            return found
    return found
