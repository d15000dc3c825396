"""What the rounds showed: per situation the medians, their spread, and the ratio to the service without state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

STATELESS, PLAIN, LABELLED = "stateless", "plain", "labelled"
SERVICES = (STATELESS, PLAIN, LABELLED)
MEANING = {
    STATELESS: "no state that moves",
    PLAIN: "Reberth, without the label",
    LABELLED: "Reberth, with the label",
}


class Seen(msgspec.Struct, frozen=True):
    """One service in one round. ``seconds``: from the fault to the next commit; None: none came within the patience."""

    seconds: float | None
    moments: dict[str, float] = {}  # of the volume's history, seconds from the fault
    acknowledged: int = 0  # before and after the fault, on a volume that moves
    lost: int = 0
    why: str = ""  # what Swarm said of its tasks, when no commit came


class Round(msgspec.Struct, frozen=True):
    fault: str
    role: str  # of the node that was hit: worker, follower, leader
    delay: str  # restart_policy.delay
    heartbeat: str
    node: str
    load: float  # of the machine when the fault came
    services: dict[str, Seen]

    @property
    def situation(self) -> tuple[str, str, str, str]:
        return self.fault, self.role, self.delay, self.heartbeat


class Spread(msgspec.Struct, frozen=True):
    many: int
    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.least:.1f} to {self.most:.1f})"


def spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(len(ordered), median, ordered[0], ordered[-1])


def seconds(rounds: Iterable[Round], service: str) -> list[float]:
    found = [each.services[service].seconds for each in rounds if service in each.services]
    return [each for each in found if each is not None]


def ratios(rounds: Iterable[Round], service: str) -> list[float]:
    """Of each round, to the service without state beside it."""
    pairs = [
        (each.services[service].seconds, each.services[STATELESS].seconds)
        for each in rounds
        if service in each.services and STATELESS in each.services
    ]
    return [ours / theirs for ours, theirs in pairs if ours is not None and theirs is not None]


def situations(rounds: Sequence[Round]) -> dict[tuple[str, str, str, str], list[Round]]:
    found: dict[tuple[str, str, str, str], list[Round]] = {}
    for each in rounds:
        found.setdefault(each.situation, []).append(each)
    return found


def unanswered(rounds: Iterable[Round]) -> list[str]:
    """What nobody may overlook: services that did not come back, and rows that are gone."""
    said = []
    for each in rounds:
        for name, seen in each.services.items():
            where = f"{each.fault} of a {each.role}, delay {each.delay}: {name}"
            if seen.seconds is None:
                said.append(f"{where} did not come back: {seen.why}")
            if seen.lost:
                said.append(f"{where} lost {seen.lost} of {seen.acknowledged} acknowledged rows")
    return said


def table(rounds: Sequence[Round]) -> str:
    """As Markdown: seconds as median (least to most), ratios of each round as the same."""
    head = ["fault", "role", "delay", "rounds", *(MEANING[name] for name in SERVICES), "ratio without", "ratio with"]
    lines = [_line(head), _line(["---"] * len(head))]
    for (fault, role, delay, _), found in situations(rounds).items():
        times = [_cell(spread(seconds(found, name))) for name in SERVICES]
        shares = [_ratio(spread(ratios(found, name))) for name in (PLAIN, LABELLED)]
        lines.append(_line([fault, role, delay, str(len(found)), *times, *shares]))
    return "\n".join(lines)


def _cell(found: Spread | None) -> str:
    return "-" if found is None else str(found)


def _ratio(found: Spread | None) -> str:
    return "-" if found is None else f"{found.median:.2f} ({found.least:.2f} to {found.most:.2f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
