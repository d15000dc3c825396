"""Small worlds for tests of the core, said in few words: node ``n1`` is on VM ``vm1`` in boot ``b1``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from controller.model import (
    Attachment,
    BootId,
    Capabilities,
    Claim,
    ClaimTask,
    DiskId,
    Epoch,
    GateView,
    GateVolume,
    Grant,
    MountState,
    Node,
    NodeId,
    NodeState,
    Phase,
    Policy,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)

V = VolumeName("data")
DISK = DiskId("disk-data")
EPOCH = Epoch(7)
GUARDED = Capabilities("fake", False, True, True, 8, shared=True, batch=True)
CUTS = replace(GUARDED, detach_cuts_io=True)
POLICY = Policy(capabilities=GUARDED)


def vm(n: int) -> VmId:
    return VmId(f"vm{n}")


def node(n: int, state: NodeState = NodeState.READY, **more: object) -> Node:
    made = Node(NodeId(f"n{n}"), f"swarm0{n}", state, vm=vm(n), boot=BootId(f"b{n}"))
    if state is not NodeState.READY:
        made = replace(made, down_for=0.0)
    return replace(made, **more)  # type: ignore[arg-type]


def grant(n: int, task: str = "t1", serial: int = 1, boot: str | None = None) -> Grant:
    return Grant(TaskId(task), NodeId(f"n{n}"), vm(n), BootId(boot or f"b{n}"), EPOCH, Serial(serial))


def claim(n: int | None, *tasks: str, conflict: str | None = None) -> Claim:
    where = None if n is None else NodeId(f"n{n}")
    return Claim(V, where, tuple(ClaimTask(TaskId(t), "db", where) for t in tasks or ("t1",)), conflict)


def running(wanted: Claim) -> Claim:
    """Swarm has seen its tasks run."""
    return replace(wanted, tasks=tuple(replace(each, started=True) for each in wanted.tasks))


def twice(wanted: Claim) -> Claim:
    """The containers of its tasks have the volume at two places."""
    return replace(wanted, tasks=tuple(replace(each, mounts=2) for each in wanted.tasks))


def record(*grants: Grant, serial: int | None = None, **more: object) -> VolumeRecord:
    top = Serial(serial if serial is not None else max((g.serial for g in grants), default=0))
    made = VolumeRecord(
        V, VolumeKey("data"), Spec(1 << 30), "uuid", Phase.READY, DISK, formatted=True, serial=top, grants=grants
    )
    return replace(made, **more)  # type: ignore[arg-type]


def on(n: int, epoch: int | None = EPOCH, **more: object) -> Attachment:
    return replace(Attachment(DISK, vm(n), epoch=None if epoch is None else Epoch(epoch)), **more)  # type: ignore[arg-type]


def gate(
    n: int, state: MountState | None = None, serial: int = 0, users: tuple[int, ...] | None = None, **more: object
) -> GateView:
    """``serial``: where it says mounted, one mount is counted under it, if no others are named by ``users``."""
    said = {} if state is None else {V: said_of(state, serial, users)}
    return replace(GateView(NodeId(f"n{n}"), vm(n), BootId(f"b{n}"), 1.0, said), **more)  # type: ignore[arg-type]


def said_of(state: MountState, serial: int, users: tuple[int, ...] | None = None, floor: int = 0) -> GateVolume:
    if state is not MountState.MOUNTED:
        return GateVolume(V, state, Serial(serial), floor=Serial(serial if state is MountState.UNMOUNTED else floor))
    counted = (serial,) if users is None else users
    return GateVolume(V, state, Serial(serial), users=tuple(map(Serial, counted)), floor=Serial(floor))


def world(
    *attachments: Attachment,
    volume: VolumeRecord | None = None,
    wanted: Claim | None = None,
    nodes: Iterable[Node] = (),
    gates: Iterable[GateView] | None = None,
    **more: object,
) -> World:
    """Three ready nodes with fresh gates, where nothing else is said; ``nodes`` and ``gates`` replace those named."""
    all_nodes = {n.id: n for n in (node(1), node(2), node(3))} | {n.id: n for n in nodes}
    all_gates = {g.vm: g for g in (gate(1), gate(2), gate(3))} | {g.vm: g for g in gates or ()}
    made = World(
        epoch=EPOCH,
        nodes=all_nodes,
        claims={} if wanted is None else {V: wanted},
        volumes={} if volume is None else {V: volume},
        attachments=attachments,
        power={},
        gates=all_gates,
    )
    return replace(made, **more)  # type: ignore[arg-type]
