"""
One volume as its claim sees it: the facts of the World that concern it, joined once. Pure.

`WorldIndex` joins what all volumes share, so that a plan over thousands of volumes looks each thing up once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from controller.model import (
    Attachment,
    Claim,
    DiskId,
    GateView,
    GateVolume,
    Grant,
    Node,
    NodeState,
    Phase,
    Policy,
    Power,
    Serial,
    TaskId,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)

if TYPE_CHECKING:
    from controller.planner.rules import Rules


Facts = tuple[object, ...]
FAR = 2**32  # serials: more than a volume gets in its life, also where its record comes from an old backup


@dataclass(frozen=True, slots=True)
class WorldIndex:
    """The World, joined for look-ups. ``storm`` is a sentence when too many nodes are down at once."""

    world: World
    policy: Policy
    rules: Rules
    node_on: Mapping[VmId, Node]  # the node on a VM: a ready one before others (a rejoined node left its old ID behind)
    shared_vms: frozenset[VmId]  # reported by two ready nodes
    off: frozenset[VmId]  # seen powered off in this look
    disks: Mapping[DiskId, tuple[Attachment, ...]]
    load: Counter[VmId] = field(default_factory=Counter)
    copies: Mapping[DiskId, VolumeName] = field(default_factory=dict)  # disk -> a volume that is to begin as its copy,
    # or the volume itself, where a snapshot of it needs the disk to be attached nowhere
    storm: str | None = None

    def power(self, vm: VmId) -> Power:
        """What was read, UNKNOWN for everything that was not."""
        return (self.world.power or {}).get(vm, Power.UNKNOWN)

    def fresh(self, view: GateView | None) -> bool:
        return view is not None and view.age <= self.policy.gate_fresh


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """
    One volume. ``foreign`` are grants anywhere but on the claim's VM in its present boot; ``home`` the others.

    ``entry`` is the record, where there is one: to ask for it elsewhere is a bug, and an AttributeError. ``unlisted``:
    whether its disk may be on a machine that could not be read: it is listed nowhere, and the list has gaps.
    """

    index: WorldIndex
    name: VolumeName
    record: VolumeRecord | None
    claim: Claim | None
    target: Node | None
    disk_on: tuple[Attachment, ...]
    foreign: tuple[Grant, ...]
    home: tuple[Grant, ...]
    rules: Rules
    wanted: frozenset[TaskId]
    disk_vm: VmId | None  # the VM that has the disk, the claim's own before others
    entry: VolumeRecord = field(init=False, repr=False, compare=False)
    unlisted: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Plain fields, because nearly every question of the planner reads them."""
        if self.record is not None:
            object.__setattr__(self, "entry", self.record)
        disk = None if self.record is None else self.record.disk
        gaps = bool(self.index.world.unlisted)
        object.__setattr__(self, "unlisted", gaps and disk is not None and not self.disk_on)

    @property
    def target_name(self) -> str:
        """Of the claim's node, for people."""
        return "?" if self.target is None else self.target.hostname

    def attachment(self, vm: VmId | None) -> Attachment | None:
        return next((a for a in self.disk_on if a.vm == vm), None)

    @property
    def kept_for(self) -> float | None:
        """Seconds until the disk of this removed volume may be deleted."""
        return self.index.world.kept.get(self.name)

    @property
    def copier(self) -> VolumeName | None:
        """The volume that is to begin as a copy of this one; itself, where a snapshot is to be made."""
        return None if self.entry.disk is None else self.index.copies.get(self.entry.disk)

    def gate_word(self, vm: VmId | None) -> GateVolume | None:
        """What that VM's gate last said about this volume, in whatever boot."""
        view = None if vm is None else self.index.world.gates.get(vm)
        return None if view is None else view.volumes.get(self.name)

    def told(self, vm: VmId) -> Serial:
        """The newest serial that its gate knows or refuses; one that no leader can have given is a lie, and 0."""
        said = self.gate_word(vm)
        newest = Serial(0) if said is None else max(said.serial, said.floor)
        return Serial(0) if newest > self.entry.serial + FAR else newest

    def floor(self, vm: VmId) -> Serial:
        """Grants up to it are refused by that VM's gate."""
        said = self.gate_word(vm)
        return Serial(0) if said is None else said.floor


def usable(ctx: VolumeContext, grant: Grant, mounts: int) -> bool:
    """
    Its container has all its mounts under it, or it is neither revoked nor used up.

    A gate that unmounted under a serial refuses it from then on; Docker may mount for the same task again
    (it copies image data into an empty volume before the start).
    """
    said = ctx.gate_word(grant.vm)
    view = ctx.index.world.gates.get(grant.vm)
    if said is None or view is None or view.boot != grant.boot:
        return not ctx.entry.revoked
    if said.users.count(grant.serial) >= mounts:
        return True
    return not ctx.entry.revoked and grant.serial > said.floor


def index_world(world: World, policy: Policy, rules: Rules) -> WorldIndex:
    node_on, shared = _nodes_by_vm(world)
    disks: defaultdict[DiskId, tuple[Attachment, ...]] = defaultdict(tuple)
    for attachment in world.attachments or ():
        disks[attachment.disk] += (attachment,)
    load = Counter(a.vm for a in world.attachments or ())
    off = frozenset(vm for vm, power in (world.power or {}).items() if rules.seen_off(power))
    index = WorldIndex(world, policy, rules, node_on, shared, off, dict(disks), load, _copies(world, policy))
    return replace(index, storm=_storm(index))


def _nodes_by_vm(world: World) -> tuple[Mapping[VmId, Node], frozenset[VmId]]:
    """The node on each VM, and the VMs that two ready nodes claim."""
    node_on: dict[VmId, Node] = {}
    shared: set[VmId] = set()
    for node in (world.nodes or {}).values():
        if node.vm is None:
            continue
        other = node_on.get(node.vm)
        if other is None or other.state is not NodeState.READY:
            node_on[node.vm] = node
        elif node.state is NodeState.READY:
            shared.add(node.vm)
    return node_on, frozenset(shared)


def _copies(world: World, policy: Policy) -> Mapping[DiskId, VolumeName]:
    found: dict[DiskId, VolumeName] = {}
    at_rest = not policy.capabilities.snapshots
    for each in (world.volumes or {}).values():
        if each.copying is not None:
            found[each.copying] = each.name
        elif at_rest and each.snapshots.each and each.disk is not None and each.snapshots.wanted:
            found[each.disk] = each.name
    return found


def _storm(index: WorldIndex) -> str | None:
    """
    Why fencing would be wrong now. A node whose VM is seen off is explained; the others that are not ready count.

    Old entries of a VM that is ready under another node ID (it rejoined) are no nodes any more.
    """
    nodes = (index.world.nodes or {}).values()
    real = [n for n in nodes if n.vm is None or index.node_on[n.vm] is n]
    lost = [n for n in real if _missed(n) and n.vm not in index.off]
    if len(lost) <= index.policy.max_down_fraction * len(real):
        return None
    names = ", ".join(sorted(n.hostname for n in lost)[:5])
    return (
        f"{len(lost)} of {len(real)} nodes are {_in_words(lost)} at once and not seen powered off ({names}): "
        "that looks like a fault of the network or of this side, so nothing is fenced"
    )


def _in_words(lost: list[Node]) -> str:
    return "not ready" if all(n.silent_for is None for n in lost) else "not ready or silent"


def _missed(node: Node) -> bool:
    return node.state is not NodeState.READY or node.silent_for is not None


def _target(index: WorldIndex, claim: Claim | None) -> Node | None:
    return None if claim is None or claim.node is None else (index.world.nodes or {}).get(claim.node)


def facts(index: WorldIndex, name: VolumeName) -> Facts | None:
    """
    All that a decision about a volume which is settled, or idle, can rest on; None where it cannot be told.

    Both have at most one attachment, and that of a task's volume is on the VM of its node: so there is one VM, and one
    gate. The age of the gate's word comes into it as whether that is fresh, and in no other way.

    Nothing is decided otherwise by it: tests decide each time anew beside it, and once more on a World with nothing in
    it but this (tests/sim/beside.py). Whoever lets a question on the way to SETTLED or IDLE ask for more adds it here.
    """
    world = index.world
    record = (world.volumes or {}).get(name)
    if record is None or record.disk is None or world.paused_parts:
        return None
    claim = (world.claims or {}).get(name)
    target, copier, disk_on = _target(index, claim), index.copies.get(record.disk), index.disks.get(record.disk)
    if target is not None and target.silent_for is not None:
        return None
    if not disk_on:
        return world.epoch, index.policy, record, claim, target, copier, bool(world.unlisted)
    vm = disk_on[0].vm
    view, node, off, shared = world.gates.get(vm), index.node_on.get(vm), vm in index.off, vm in index.shared_vms
    boot, said = (None, None) if view is None else (view.boot, view.volumes.get(name))
    fresh = index.fresh(view)
    return world.epoch, index.policy, record, claim, target, copier, disk_on, node, off, shared, boot, said, fresh


def volume_context(index: WorldIndex, name: VolumeName) -> VolumeContext:
    record = (index.world.volumes or {}).get(name)
    claim = (index.world.claims or {}).get(name)
    target = _target(index, claim)
    wanted = frozenset() if claim is None else frozenset(task.id for task in claim.tasks)
    if record is None:
        return VolumeContext(index, name, None, claim, target, (), (), (), index.rules, wanted, None)
    disk_on = index.disks.get(record.disk, ()) if record.disk is not None else ()
    foreign, home = _grants(index, record, target)
    disk_vm = _disk_vm(disk_on, target)
    return VolumeContext(index, name, record, claim, target, disk_on, foreign, home, index.rules, wanted, disk_vm)


def _disk_vm(disk_on: tuple[Attachment, ...], target: Node | None) -> VmId | None:
    vms = [each.vm for each in disk_on]
    return target.vm if target is not None and target.vm in vms else next(iter(vms), None)


def _grants(
    index: WorldIndex, record: VolumeRecord, target: Node | None
) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
    """Foreign and home. Of a removed volume, and on a VM that is seen off, every grant is foreign."""
    if target is None or record.phase is Phase.DELETING or target.vm in index.off:
        return record.grants, ()
    home = tuple(g for g in record.grants if (g.vm, g.boot) == (target.vm, target.boot))
    return tuple(g for g in record.grants if g not in home), home
