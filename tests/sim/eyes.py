"""What a controller sees of a simulated cluster: the World that the real `plan` gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from controller.model import (
    Attachment,
    AttachmentState,
    BootId,
    Claim,
    ClaimTask,
    Confirmation,
    DiskId,
    Epoch,
    GateView,
    GateVolume,
    Grant,
    Intent,
    MountState,
    Node,
    NodeId,
    NodeState,
    Operation,
    PausedPart,
    Phase,
    Policy,
    Power,
    Restoring,
    Serial,
    Snapshot,
    Snapshots,
    SnapshotState,
    Source,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import Action, Converged
from controller.planner.plan import plan
from controller.planner.rules import Rules
from tests.sim.state import NOTHING, NOWHERE, VOLUME, Age, Mount, Record, State, Storage, View

NAME = VolumeName("data")
DISK = DiskId("disk")
KEY = VolumeKey("data")
SPEC = Spec(1 << 30)
COPY = VolumeRecord(
    VolumeName("z-copy"),
    VolumeKey("copy"),
    Spec(1 << 30, source=Source(NAME, DISK, "uuid", "uuid")),
    "uuid-copy",
    Phase.CREATING,
)
THERE = Snapshot("nightly", "0a1b2c3d", SnapshotState.THERE, 0.0, 1 << 30, DiskId("snap"))
ORDERED = Snapshots((THERE,), Restoring("nightly", "4e5f6a7b"))
WANTED = Snapshots((replace(THERE, state=SnapshotState.WANTED, disk=None),))
POWERS = (Power.OFF, Power.ON, Power.UNKNOWN)
OFF, ON, UNKNOWN = range(3)  # numbers hash at once
OPS = {op.value: op for op in Operation}
PHASES = {Age.CREATING: Phase.CREATING, Age.READY: Phase.READY, Age.DELETING: Phase.DELETING}


class NodeSeen(NamedTuple):
    down: bool
    boot: int
    joined: int  # how often
    labelled: bool = False
    young: bool = False  # down of late
    drained: bool = False
    missed: bool = False


class Seen(NamedTuple):
    """One controller's whole view, hashable."""

    epoch: int
    nodes: tuple[NodeSeen, ...]
    power: tuple[int, ...]  # POWERS
    stamps: tuple[int | None, ...]  # for each VM that has the disk
    record: Record
    claim: int
    tasks: tuple[int, ...]
    views: tuple[View | None, ...]
    confirmed: frozenset[tuple[int, int]]
    started: frozenset[int]
    lent: bool
    snapped: bool
    paused: bool
    rest: int
    blind: bool
    astray: bool


class Decisions(dict[Seen, Action]):
    """
    The one action that the real planner gives for what a controller sees. Many states look the same.

    One table for each policy with each set of rules: to hash those anew for each question costs more than the answer.
    """

    def __init__(self, policy: Policy, rules: Rules) -> None:
        self._policy, self._rules = policy, rules

    def __missing__(self, seen: Seen) -> Action:
        actions = [each.action for each in plan(world(seen), self._policy, self._rules) if each.volume == NAME]
        action = actions[0] if actions else Converged(NAME, "There is no such volume, and nobody wants it.")
        self[seen] = action
        return action


@cache
def decisions(policy: Policy, rules: Rules) -> Decisions:
    """Shared by all scenes with the same policy and rules."""
    return Decisions(policy, rules)


def see(state: State, leader: int, storage: Storage) -> Seen:
    """All of the state that this controller can see, and nothing else."""
    me = state.leaders[leader]
    disk = 0 if state.mislaid or (state.astray and not storage.lists_strays) else state.disk
    nodes, power, stamps = [], [], []
    for i, v in enumerate(state.vms):
        nodes.append(NodeSeen(v.down, v.known_boot, v.joined, i in state.labels, v.young, v.drained, v.missed))
        power.append(UNKNOWN if v.hidden else ON if v.on or (v.saved and storage.tells_saved) else OFF)
        listed = disk >> i & 1 and not (storage.forgets and v.hidden and v.down)
        stamps.append(v.stamp if listed else None)
    tasks, started = state.tasks, state.started.intersection(state.tasks)
    return Seen(
        me.epoch,
        tuple(nodes),
        tuple(power),
        tuple(stamps),
        state.record,
        state.claim,
        tasks,
        me.views,
        state.confirmed,
        started,
        storage.lent,
        storage.snapped,
        state.paused,
        state.rest,
        state.blind,
        state.astray,
    )


def world(seen: Seen) -> World:
    there = [(_vm(i), Epoch(stamp)) for i, stamp in enumerate(seen.stamps) if stamp is not None]
    state = AttachmentState.UNCERTAIN if seen.astray else AttachmentState.ATTACHED
    return World(
        epoch=Epoch(seen.epoch),
        nodes={each.id: each for i, node in enumerate(seen.nodes) for each in _nodes(i, node)},
        claims=_claims(seen),
        volumes=({} if seen.record.age is Age.GONE else {NAME: _record(seen.record, seen.snapped)})
        | ({COPY.name: COPY} if seen.lent else {}),
        attachments=None if seen.blind else tuple(Attachment(DISK, vm, state, epoch) for vm, epoch in there),
        odd={DISK: "it is on vm0 as another file: somebody moved it there"} if seen.astray else {},
        paused="the storage is moved" if seen.paused else None,
        paused_parts=_paused_parts(seen.rest),
        power={_vm(i): POWERS[power] for i, power in enumerate(seen.power)},
        gates={_vm(i): _view(i, view) for i, view in enumerate(seen.views) if view is not None},
        confirmations=tuple(
            Confirmation(_id(vm), _vm(vm), _boot(boot), "pulled the plug") for vm, boot in sorted(seen.confirmed)
        ),
    )


def _paused_parts(rest: int) -> tuple[PausedPart, ...]:
    """A node is told by its first ID and its VM: it may have joined again since."""
    if rest == NOTHING:
        return ()
    volume = PausedPart("moved", volume=NAME)
    return (volume if rest == VOLUME else PausedPart("mended", node=_id(rest), vm=_vm(rest), hostname=f"swarm0{rest}"),)


def _id(i: int, joined: int = 1) -> NodeId:
    return NodeId(f"n{i}-{joined}")


def _vm(i: int) -> VmId:
    return VmId(f"vm{i}")


def _boot(boot: int) -> BootId:
    return BootId(f"b{boot}")


def _nodes(i: int, seen: NodeSeen) -> Iterator[Node]:
    """Whoever joins again leaves an entry behind, which is down for ever. A boot that was not told yet is 0."""
    if seen.joined > 1:
        yield _node(i, NodeSeen(down=True, boot=1, joined=seen.joined - 1))
    yield _node(i, seen)


def _node(i: int, seen: NodeSeen) -> Node:
    state, known = NodeState.DOWN if seen.down else NodeState.READY, seen.boot > 0
    return Node(
        _id(i, seen.joined),
        f"swarm0{i}",
        state,
        available=not seen.drained,
        vm=_vm(i) if known else None,
        boot=_boot(seen.boot) if known else None,
        down_for=(9.0 if seen.young else 60.0) if seen.down else None,
        labelled=seen.labelled,
        silent_for=9.0 if seen.missed else None,
    )


def _claims(seen: Seen) -> dict[VolumeName, Claim]:
    if seen.claim < 0:
        return {}
    where = _id(seen.claim, seen.nodes[seen.claim].joined)
    forbids = ("node.labels.reberth!=down",)
    tasks = tuple(
        ClaimTask(TaskId(f"t{n}"), "db", where, started=n in seen.started, constraints=forbids) for n in seen.tasks
    )
    return {NAME: Claim(NAME, where, tasks)}


def _record(record: Record, snapped: bool) -> VolumeRecord:
    grants = tuple(
        Grant(TaskId(f"t{task}"), _id(vm), _vm(vm), _boot(boot), Epoch(epoch), Serial(serial))
        for vm, boot, serial, task, epoch in record.grants
    )
    intent = None
    if record.intent is not None:
        op, vm, epoch, doubt = record.intent
        intent = Intent(OPS[op], Epoch(epoch), None if vm == NOWHERE else _vm(vm), in_doubt=doubt)
    phase, disk = PHASES[record.age], DISK if record.disk else None
    made = VolumeRecord(NAME, KEY, SPEC, "uuid", phase, disk, True, Serial(record.serial), grants, intent)
    kept = ORDERED if record.restoring else WANTED if snapped else Snapshots()
    return replace(made, place=None if record.place == NOWHERE else _vm(record.place), snapshots=kept)


def _view(i: int, view: View) -> GateView:
    state = MountState.UNMOUNTED if view.mount is Mount.NO else MountState.MOUNTED
    users = tuple(Serial(each) for each in view.users)
    said = {NAME: GateVolume(NAME, state, Serial(view.serial), users=users, floor=Serial(view.floor))}
    return GateView(_id(i, view.joined), _vm(i), _boot(view.boot), 0.0 if view.since else 9.0, said)
