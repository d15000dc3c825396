"""A situation that holds a volume, and what people must be told in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.model import Claim, Policy, VolumeRecord, World
from tests.support.worlds import POLICY, claim, grant, on, record, world

REVOKED = record(grant(1), serial=2)
MOVED = claim(2, "t2")


@dataclass(frozen=True)
class Told:
    """``why`` and ``cure``: parts that the sentences must have, in this order of telling."""

    world: World
    why: tuple[str, ...]
    cure: tuple[str, ...]
    state: str = "waiting"
    policy: Policy = field(default=POLICY)


def held(record_: VolumeRecord = REVOKED, wanted: Claim | None = MOVED, **more: object) -> World:
    """On node 1, wanted on node 2."""
    return world(on(1), volume=record_, wanted=wanted, **more)  # type: ignore[arg-type]
