"""
One volume as its claim sees it: the facts of the World that concern it, joined once. Pure.

`Index` joins what all volumes share, so that a plan over thousands of volumes looks each thing up once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from controller.model import (
    Attachment,
    AttachmentState,
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
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)


class Rule(Enum):
    """
    The rules that carry safety or progress. Tests, and only they, leave one out: the exhaustive search must then find
    a story that goes wrong (tests/sim/test_rules.py). Checks without an entry here are caution: see docs/safety.md.
    """

    EVIDENCE = "a grant is dropped only on evidence; a node that is down is none"
    REVOKE_FIRST = "a superseded grant is taken back before anything is done about its holder"
    SERIAL = "a gate's word counts only if it knows the newest serial"
    AGREED_BOOT = "another boot counts only if the node's record agrees with the gate"
    POWER_OFF_SEEN = "only a power state read as off is off; unknown is not"
    CONFIRMED_BOOT = "a person's word counts for one boot only"
    VM_SEEN = "a VM that cannot be seen has not lost its disk because no list shows it"
    CUTS_IO = "a detach is evidence only where the driver's detach cuts I/O"
    NO_FOREIGN_GRANT = "nothing moves while another VM or boot holds a grant"
    DEPOSED = "a controller that meets a later epoch than its own does nothing"
    STAMP = "a grant needs the present epoch stamped on the VM"
    NEW_EPOCH = "after a call in doubt a new epoch is taken"
    ONE_VM = "nothing is granted while the disk is on several VMs"
    FORMAT_ONCE = "a disk that exists is never made anew"
    DISK_ON_TARGET = "a grant needs the disk on the VM of the claim"


ALL_RULES = frozenset(Rule)


@dataclass(frozen=True, slots=True)
class Index:
    """The World, joined for look-ups. ``storm`` is a sentence when too many nodes are down at once."""

    world: World
    policy: Policy
    rules: frozenset[Rule]
    under: Mapping[VmId, Node]  # the node on a VM: a ready one before others (a rejoined node left its old ID behind)
    twins: frozenset[VmId]  # reported by two ready nodes
    disks: Mapping[DiskId, tuple[Attachment, ...]]
    load: Counter[VmId] = field(default_factory=Counter)
    copies: Mapping[DiskId, VolumeName] = field(default_factory=dict)  # disk -> a volume that is to begin as its copy
    storm: str | None = None

    def power(self, vm: VmId) -> Power:
        """What was read, UNKNOWN for everything that was not."""
        return (self.world.power or {}).get(vm, Power.UNKNOWN)

    def has(self, rule: Rule) -> bool:
        return rule in self.rules


@dataclass(frozen=True, slots=True)
class Case:
    """One volume. ``foreign`` are grants anywhere but on the claim's VM in its present boot; ``home`` the others."""

    index: Index
    name: VolumeName
    record: VolumeRecord | None
    claim: Claim | None
    target: Node | None
    disk_on: tuple[Attachment, ...]
    foreign: tuple[Grant, ...]
    home: tuple[Grant, ...]

    @property
    def entry(self) -> VolumeRecord:
        """The record, where the placement says that there is one."""
        if self.record is None:
            msg = f"volume {self.name} has no record"
            raise LookupError(msg)
        return self.record

    def on(self, vm: VmId | None) -> Attachment | None:
        return next((a for a in self.disk_on if a.vm == vm), None)

    @property
    def copier(self) -> VolumeName | None:
        """The volume that is to begin as a copy of this one."""
        return None if self.entry.disk is None else self.index.copies.get(self.entry.disk)

    @property
    def where(self) -> VmId | None:
        """The VM that has the disk, the claim's own before others."""
        if self.target is not None and self.on(self.target.vm):
            return self.target.vm
        return self.disk_on[0].vm if self.disk_on else None

    def said(self, vm: VmId | None) -> GateVolume | None:
        """What that VM's gate last said about this volume, in whatever boot."""
        view = None if vm is None else self.index.world.gates.get(vm)
        return None if view is None else view.volumes.get(self.name)


def index_of(world: World, policy: Policy, rules: frozenset[Rule]) -> Index:
    under: dict[VmId, Node] = {}
    twins: set[VmId] = set()
    for node in (world.nodes or {}).values():
        if node.vm is None:
            continue
        other = under.get(node.vm)
        if other is None or other.state is not NodeState.READY:
            under[node.vm] = node
        elif node.state is NodeState.READY:
            twins.add(node.vm)
    disks: defaultdict[DiskId, tuple[Attachment, ...]] = defaultdict(tuple)
    for attachment in world.attachments or ():
        disks[attachment.disk] += (attachment,)
    load = Counter(a.vm for a in world.attachments or ())
    index = Index(world, policy, rules, under, frozenset(twins), dict(disks), load, _copies(world))
    return replace(index, storm=_storm(index))


def _copies(world: World) -> Mapping[DiskId, VolumeName]:
    return {each.copying: each.name for each in (world.volumes or {}).values() if each.copying is not None}


def _storm(index: Index) -> str | None:
    """
    Why fencing would be wrong now. A node whose VM is seen off is explained; the others that are not ready count.

    Old entries of a VM that is ready under another node ID (it rejoined) are no nodes any more.
    """
    nodes = (index.world.nodes or {}).values()
    real = [n for n in nodes if n.vm is None or index.under[n.vm] is n]
    lost = [n for n in real if n.state is not NodeState.READY and not seen_off(index, n.vm)]
    if len(lost) <= index.policy.max_down_fraction * len(real):
        return None
    names = ", ".join(sorted(n.hostname for n in lost)[:5])
    return (
        f"{len(lost)} of {len(real)} nodes are not ready at once and not seen powered off ({names}): "
        "that looks like a fault of the network or of this side, so nothing is fenced"
    )


def seen_off(index: Index, vm: VmId | None) -> bool:
    if vm is None:
        return False
    power = index.power(vm)
    return power is Power.OFF or (power is Power.UNKNOWN and not index.has(Rule.POWER_OFF_SEEN))


def case_of(index: Index, name: VolumeName) -> Case:
    record = (index.world.volumes or {}).get(name)
    claim = (index.world.claims or {}).get(name)
    target = None
    if claim is not None and claim.node is not None:
        target = (index.world.nodes or {}).get(claim.node)
    if record is None:
        return Case(index, name, None, claim, target, (), (), ())
    disk_on = index.disks.get(record.disk, ()) if record.disk is not None else ()
    foreign: tuple[Grant, ...] = record.grants
    home: tuple[Grant, ...] = ()
    if target is not None and record.phase is not Phase.DELETING and not seen_off(index, target.vm):
        home = tuple(g for g in record.grants if _same(g, target))
        foreign = tuple(g for g in record.grants if not _same(g, target))
    return Case(index, name, record, claim, target, disk_on, foreign, home)


def _same(grant: Grant, node: Node) -> bool:
    return grant.vm == node.vm and grant.boot == node.boot


def fresh(index: Index, view: GateView | None) -> bool:
    return view is not None and view.age <= index.policy.gate_fresh


def attached(attachments: Iterable[Attachment]) -> bool:
    return all(a.state is AttachmentState.ATTACHED for a in attachments)
