"""Short words for what the planner is asked in tests, and what it decides about the volume ``data``."""

from __future__ import annotations

from dataclasses import replace

from controller.model import (
    BootId,
    Confirmation,
    DiskId,
    Epoch,
    Evidence,
    Grant,
    Intent,
    MountState,
    NodeId,
    NodeState,
    Operation,
    PausedPart,
    Phase,
    Policy,
    Power,
    Restoring,
    Snapshot,
    Snapshots,
    SnapshotState,
    Source,
    Spec,
    VolumeName,
    World,
)
from controller.planner.actions import Action, Detach, DropGrants
from controller.planner.context import index_world
from controller.planner.node_labels import LabelChange, label_changes
from controller.planner.plan import plan
from controller.planner.rules import RULES
from tests.support.worlds import (
    CUTS,
    DISK,
    EPOCH,
    POLICY,
    V,
    claim,
    grant,
    node,
    record,
    said_of,
    vm,
)

DOWN = NodeState.DOWN
OFF = {vm(1): Power.OFF}
ON = {vm(1): Power.ON}
DOWN_LONG = node(1, DOWN, down_for=60.0)
DOWN_NOW = node(1, DOWN, down_for=1.0)
REVOKED = record(grant(1), serial=2)
MOVED = claim(2, "t2")
RESTING = PausedPart("its data is copied", volume=V)
CLOSED = PausedPart("its host is mended", node=NodeId("n2"), vm=vm(2), hostname="swarm02")
SUFFERS = replace(said_of(MountState.MOUNTED, 1), problem="its disk does not answer", suffers=True)
CUTTING = replace(POLICY, capabilities=CUTS)


def act(w: World, policy: Policy = POLICY) -> Action:
    (decision,) = (each for each in plan(w, policy) if each.volume == V)
    return decision.action


def dropped(action: Action) -> tuple[tuple[Grant, ...], Evidence]:
    """Which grants go, alone or with the disk, and on what evidence."""
    assert isinstance(action, DropGrants | Detach)
    assert action.evidence is not None
    return (action.grants if isinstance(action, DropGrants) else action.drops), action.evidence


def labels(w: World, policy: Policy = POLICY) -> tuple[LabelChange, ...]:
    return label_changes(index_world(w, policy, RULES))


def intent(operation: Operation, n: int, epoch: int = EPOCH) -> Intent:
    return Intent(operation, Epoch(epoch), vm(n))


def said_dead(boot: str) -> Confirmation:
    return Confirmation(NodeId("n1"), vm(1), BootId(boot), "pulled the plug", "ann")


ORIGINAL = DiskId("disk-original")
ORIGIN = record(name=VolumeName("original"), disk=ORIGINAL)
SOURCE = Source(ORIGIN.name, ORIGINAL, "uuid", "uuid")
COPY = record(phase=Phase.CREATING, disk=None, formatted=False, spec=Spec(1 << 30, source=SOURCE))
WANTS_COPY = record(
    name=VolumeName("z-copy"), phase=Phase.CREATING, disk=None,
    spec=Spec(1 << 30, source=Source(V, DISK, "uuid", "uuid")),
)  # fmt: skip


WANTED = Snapshot("nightly", "0a1b2c3d", SnapshotState.WANTED, 0.0, 1 << 30)
THERE = replace(WANTED, state=SnapshotState.THERE, disk=DiskId("snap-1"))
SNAPPED = record(snapshots=Snapshots((WANTED,)))
RESTORING = record(snapshots=Snapshots((THERE,), Restoring("nightly", "4e5f6a7b")))


def copied(w: World) -> World:
    """And another volume is to begin as a copy of it."""
    return replace(w, volumes={**(w.volumes or {}), WANTS_COPY.name: WANTS_COPY})
