"""The client's own list against the table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    What became of every numbered row.

    A row whose answer was lost is in doubt: PostgreSQL may have committed it or not, both are right.
    """

    acknowledged: int
    present: int
    lost: tuple[int, ...]  # acknowledged and absent
    invented: tuple[int, ...]  # present and never attempted, or there twice
    in_doubt: int
    in_doubt_present: int

    @property
    def clean(self) -> bool:
        return not self.lost and not self.invented


def compare(attempted: Collection[int], acknowledged: Collection[int], present: Iterable[int]) -> Comparison:
    """``attempted`` holds every number that was ever sent; ``present`` is the table's column, doubles included."""
    found = Counter(present)
    sent = set(attempted)
    sure = set(acknowledged)
    doubt = sent - sure
    invented = {number for number, times in found.items() if number not in sent or times > 1}
    return Comparison(
        acknowledged=len(sure),
        present=found.total(),
        lost=tuple(sorted(sure - found.keys())),
        invented=tuple(sorted(invented)),
        in_doubt=len(doubt),
        in_doubt_present=len(doubt & found.keys()),
    )


def merge(newest: Comparison, earlier: Iterable[Comparison]) -> Comparison:
    """The newest round's numbers, with what is lost or invented now among the rows of the rounds before."""
    rounds = (*earlier, newest)
    return replace(
        newest,
        lost=tuple(number for found in rounds for number in found.lost),
        invented=tuple(number for found in rounds for number in found.invented),
    )
