"""Who is to act among the controllers: the rule that `leader_election` lives by. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controller.model import Epoch, NodeId
from controller.records.base import Leadership


@dataclass(frozen=True, slots=True)
class Timing:
    """
    Seconds. ``beat``: between signs of life; ``patience``: standing still that makes a holder replaceable;
    ``poll``: between looks at who leads; ``settle``: a controller just started leaves a holder that may live alone
    for so long, because one that crashes again and again would take every volume's epoch with it.
    ``hurry``: between looks while Swarm chooses a leader, or has another one than the holder; ``held``: for one reading
    then, as a manager holds a question that came before the choice, and answers those that come after it.
    """

    beat: float = 5.0
    patience: float = 15.0
    poll: float = 2.0
    settle: float = 30.0
    hurry: float = 0.25
    held: float = 1.0


@dataclass(frozen=True, slots=True)
class View:
    """What one decision knows. ``mine``: the last epoch that this process held for sure."""

    me: NodeId
    swarm_leader: NodeId | None
    record: Leadership | None
    stood_still: float
    mine: Epoch | None
    uptime: float
    away: bool = False  # the holder is no manager that Swarm's leader reaches: it cannot give a sign of life


@dataclass(frozen=True, slots=True)
class Beat:
    """We act: give a sign of life."""


@dataclass(frozen=True, slots=True)
class Take:
    """Take the next epoch."""

    why: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Somebody else acts, or nobody may yet."""

    why: str


Step = Beat | Take | Follow


def step(view: View, timing: Timing) -> Step:
    """What to do about leadership now. Pure and total."""
    record = view.record
    if record is None:
        return _first(view, timing)
    stale = view.stood_still >= timing.patience
    leads = view.swarm_leader == view.me
    ours = record.holder == view.me
    if ours and record.epoch == view.mine:
        return Beat()
    if ours and view.mine is None:
        return Take("an earlier process on this node acted")
    if stale:
        return Take(f"the controller on node {record.holder} has shown no life for {view.stood_still:.0f} s")
    if leads and not ours and _settled(view, timing):
        return Take("this node is Swarm's leader")
    return Follow(f"the controller on node {record.holder} acts under epoch {record.epoch}")


def _settled(view: View, timing: Timing) -> bool:
    return view.away or view.uptime >= timing.settle


def _first(view: View, timing: Timing) -> Step:
    if view.swarm_leader == view.me or view.stood_still >= timing.patience:
        return Take("nobody has acted in this swarm yet")
    return Follow("nobody has acted in this swarm yet: the controller on Swarm's leader comes first")
