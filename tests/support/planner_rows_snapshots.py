"""Situations of a volume of which a snapshot is to be made, or which is to be as one."""

from __future__ import annotations

from dataclasses import replace

from controller.model import MountState, Phase
from controller.planner.actions import Converged, Detach, Wait
from controller.planner.placement import Placement
from tests.support.plans import MOVED, RESTORING, SNAPPED
from tests.support.worlds import claim, gate, on, world

SNAPSHOT_ROWS = {
    "nobody wants it, and a snapshot of it is to be made": (world(on(1), volume=SNAPPED), Placement.LENT, Detach),
    "a snapshot of it is to be made, and it is attached nowhere": (world(volume=SNAPPED), Placement.IDLE, Converged),
    "a snapshot of it is to be made, and a task wants it elsewhere": (
        world(on(1), volume=SNAPPED, wanted=MOVED), Placement.ELSEWHERE, Detach
    ),
    "it is to be restored, and is attached": (world(on(1), volume=RESTORING), Placement.LENT, Detach),
    "it is to be restored, is attached, and a task wants it": (
        world(on(1), volume=RESTORING, wanted=claim(1)), Placement.LENT, Detach
    ),
    "it is to be restored, and its gate says mounted": (
        world(on(1), volume=RESTORING, gates=[gate(1, MountState.MOUNTED)]), Placement.HELD_READY, Wait
    ),
    "it is being restored, and a task wants it": (
        world(volume=RESTORING, wanted=claim(1)), Placement.RESTORING, Wait
    ),
    "it was removed, and has a snapshot": (
        world(volume=replace(SNAPPED, phase=Phase.DELETING)), Placement.DOOMED, Wait
    ),
}  # fmt: skip
