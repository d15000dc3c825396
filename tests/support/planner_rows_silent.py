"""Situations on a node that our own detector misses, while Swarm calls it ready."""

from __future__ import annotations

from dataclasses import replace

from controller.model import Claim, FencePolicy, Node, Power, Spec, VmId, VolumeRecord, World
from controller.planner.actions import Attach, Converged, Detach, Fence, Wait
from controller.planner.placement import Placement
from tests.support.plans import MOVED, OFF, ON
from tests.support.worlds import claim, gate, grant, node, on, record, running, world

BY_POWER = Spec(1 << 30, policy=FencePolicy.POWER_OFF)
GRANTED = record(grant(1), spec=BY_POWER)
MISSED, MISSED_NOW = node(1, silent_for=60.0), node(1, silent_for=1.0)


def forbidding(wanted: Claim) -> Claim:
    """Its services have the constraint by which they start elsewhere at once."""
    tasks = (replace(each, constraints=("node.labels.reberth!=down",)) for each in running(wanted).tasks)
    return replace(wanted, tasks=tuple(tasks))


def missed(
    missing: Node = MISSED,
    *nodes: Node,
    volume: VolumeRecord = GRANTED,
    wanted: Claim | None = None,
    power: dict[VmId, Power] | None = None,
    age: float = 90.0,
) -> World:
    """The task is on node 1, whose gate was heard before it was missed."""
    return world(
        on(1),
        volume=volume,
        wanted=forbidding(claim(1)) if wanted is None else wanted,
        nodes=[missing, *nodes],
        gates=[gate(1, age=age)],
        power=ON if power is None else power,
    )


ALONE = [replace(node(n), available=False) for n in (2, 3)]
MANAGERS = [replace(node(n), manager=True) for n in (2, 3)]
REVOKED_SILENT = record(grant(1), spec=BY_POWER, serial=2)
SILENT_ROWS = {
    "its node fell silent, within the grace": (missed(MISSED_NOW), Placement.SILENT_GRACE, Wait),
    "its node fell silent for long, its VM runs": (missed(), Placement.SILENT, Fence),
    "its node fell silent for long, its VM is not seen": (missed(power={}), Placement.SILENT, Wait),
    "its node fell silent, and its VM is seen off": (missed(power=OFF), Placement.PROVEN, Detach),
    "its node fell silent, its gate spoke since": (missed(age=1.0), Placement.SETTLED, Converged),
    "its node fell silent, no power-off was chosen": (
        missed(volume=record(grant(1))), Placement.SETTLED, Converged
    ),
    "its node fell silent, its service would stay": (
        missed(wanted=running(claim(1))), Placement.SETTLED, Converged
    ),
    "its node fell silent, it is drained": (
        missed(replace(MISSED, available=False)), Placement.SETTLED, Converged
    ),
    "its node fell silent, no other takes tasks": (missed(MISSED, *ALONE), Placement.SETTLED, Converged),
    "its node fell silent, and most others": (
        missed(MISSED, node(2, silent_for=9.0)), Placement.SILENT, Wait
    ),
    "its node fell silent, without it no quorum is left": (
        missed(replace(MISSED, manager=True), replace(node(2), manager=True), node(3)), Placement.SILENT, Wait
    ),
    "its node fell silent, a quorum is left without it": (
        missed(replace(MISSED, manager=True), *MANAGERS), Placement.SILENT, Fence
    ),
    "held on a node that fell silent, within the grace": (
        missed(MISSED_NOW, volume=REVOKED_SILENT, wanted=MOVED), Placement.SILENT_GRACE, Wait
    ),
    "held on a node that fell silent for long": (
        missed(volume=REVOKED_SILENT, wanted=MOVED), Placement.SILENT, Fence
    ),
    "held on a node that fell silent, so did the target": (
        missed(MISSED, node(2, silent_for=9.0), volume=REVOKED_SILENT, wanted=MOVED), Placement.HELD_SILENT, Wait
    ),
    "idle on a node that fell silent": (
        missed(volume=record(spec=BY_POWER), wanted=claim(None)), Placement.HELD_SILENT, Wait
    ),
    "not on the claim's node, which fell silent": (
        world(volume=record(spec=BY_POWER), wanted=forbidding(claim(2)), nodes=[node(2, silent_for=60.0)],
              gates=[gate(2, age=90.0)]),
        Placement.NOWHERE, Attach,
    ),
}  # fmt: skip
