"""
The words of Reberth as frozen values. Pure: no I/O, no clock, no client library.

Times are seconds. ``at`` fields are wall-clock seconds since the epoch (for people and reports only, never
compared for safety); ages are measured by the reader's own monotonic clock before a World is built.
``None`` for a whole part of the World means "could not be read", which is never the same as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NewType

NodeId = NewType("NodeId", str)  # Swarm's ID: new when a node rejoins
TaskId = NewType("TaskId", str)
ServiceId = NewType("ServiceId", str)
VmId = NewType("VmId", str)  # the VM's SMBIOS UUID, lower case with hyphens
BootId = NewType("BootId", str)  # the kernel's boot id: another one after each boot
VolumeName = NewType("VolumeName", str)  # as Docker says it, templates expanded
VolumeKey = NewType("VolumeKey", str)  # short, safe for file and object names
DiskId = NewType("DiskId", str)  # the storage system's own name for the disk
Epoch = NewType("Epoch", int)  # grows with each leader of the controller
Serial = NewType("Serial", int)  # grows with each grant or revocation of one volume: its fencing token


class NodeState(Enum):
    """Swarm's view of a node. Only a statement about heartbeats, never evidence about a VM."""

    READY = "ready"
    DOWN = "down"
    UNKNOWN = "unknown"  # after a change of Swarm's leader
    DISCONNECTED = "disconnected"


class Power(Enum):
    """What the hypervisor says, read afresh. UNKNOWN also when its own host is not connected."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class AttachmentState(Enum):
    ATTACHED = "attached"
    UNCERTAIN = "uncertain"  # the storage system is still at work on it, or cannot say


class FencePolicy(Enum):
    """What may be done about a VM that still runs although its node is down."""

    DETACH = "detach"  # force-detach, if the driver's detach cuts I/O; else POWER_OFF
    POWER_OFF = "power-off"
    HOLD = "hold"  # only evidence that appears by itself, or a person's word


class Detect(Enum):
    """Who finds out that a node hangs, so that the grace before a fence begins."""

    SWARM = "swarm"  # Swarm alone, by its heartbeats
    GATE = "gate"  # also this controller, where gate and node service are both silent


class NodeAddresses(Enum):
    """From where a node may speak that names its VM for the first time."""

    KNOWN = "known"  # from an address that the hypervisor knows of that VM, where it knows any
    ANY = "any"  # from anywhere: its addresses are translated on the way to the managers


class EvidenceKind(Enum):
    """Why the old holder cannot write any more, best first."""

    RELEASED = "released"  # its gate says so under the same boot, or the VM runs another boot now
    POWERED_OFF = "powered-off"  # seen off on a connected host
    DETACHED = "detached"  # seen detached, by a driver whose detach cuts I/O
    CONFIRMED = "confirmed"  # a person's word, about one boot of one VM


class Operation(Enum):
    CREATE = "create"
    DELETE = "delete"
    ATTACH = "attach"
    DETACH = "detach"
    POWER_OFF = "power-off"


class Phase(Enum):
    """The life of a volume's record."""

    CREATING = "creating"  # no disk yet
    READY = "ready"
    DELETING = "deleting"  # asked by `docker volume rm`; the record goes last


class MountState(Enum):
    """What a gate says about one volume."""

    UNMOUNTED = "unmounted"
    MOUNTING = "mounting"  # a Mount is under way, or a grant may be on its way to it
    MOUNTED = "mounted"


class Every(Enum):
    """How often a snapshot is made by schedule."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


class Moment(Enum):
    """The kinds of history entries; the drill's timeline is made of them."""

    CREATED = "created"
    EVIDENCE = "evidence"
    FENCED = "fenced"
    LABELLED = "labelled"  # Swarm was told that the node is dead
    DETACHED = "detached"
    ATTACHED = "attached"
    GRANTED = "granted"
    MOUNTED = "mounted"
    RELEASED = "released"
    REVOKED = "revoked"
    FORMATTED = "formatted"
    CONFIRMED = "confirmed"
    GROWN = "grown"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Node:
    """A Swarm node, joined with what its node service reported about the VM under it."""

    id: NodeId
    hostname: str
    state: NodeState
    manager: bool = False
    available: bool = True  # availability active; false for pause and drain
    vm: VmId | None = None  # None: not reported, or not unique
    boot: BootId | None = None  # the last reported boot of that VM
    down_for: float | None = None  # seconds since this reader first saw it not ready; None when ready
    address: str = ""
    labelled: bool = False  # bears the label that tells Swarm that it is dead (Policy.node_label)
    silent_for: float | None = None  # seconds since our own detector suspects it (Policy.detect); never evidence


@dataclass(frozen=True, slots=True)
class ClaimTask:
    """A task that Swarm wants running and that mounts the volume."""

    id: TaskId
    service: str  # service name, for people
    node: NodeId | None  # None: not assigned yet
    created: str = ""  # Swarm's RFC 3339 time: orders tasks, newest last
    started: bool = False  # seen running: its Mount is behind it
    constraints: tuple[str, ...] = ()  # the service's, without spaces
    mounts: int = 1  # how often its container mounts the volume
    stop_grace: float = 10.0  # seconds after which Swarm kills a container that it asked to stop


@dataclass(frozen=True, slots=True)
class Schedule:
    """A snapshot in each such period; of those that were made so, the newest ``keep`` stay."""

    every: Every
    keep: int

    def __str__(self) -> str:
        return f"{self.every.value} keep {self.keep}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A service that wants a volume which another service has: on ``node`` its Mount is refused with ``why``."""

    service: str
    node: NodeId | None
    why: str


@dataclass(frozen=True, slots=True)
class Claim:
    """
    Who should have a volume: one node, with all wanted tasks there that mount it (newest first).

    ``conflict`` is a sentence for the user (two nodes want it, replicas > 1, start-first, other options ...): then
    nothing new is granted or moved, and whoever waits is told. ``refused`` are services beside the one that has the
    volume: they are told why, and it goes on. ``services`` are all whose specs mount it, also those scaled to 0: while
    there is one, the volume is not deleted. Without tasks it is not claimed; ``given_up`` are those services that
    ask for replicas and get no task for it any more (restart_policy). ``asked`` are the ``driver_opts`` with
    which each node's Docker may make it, because a task there mounts it, whether it gets it or not. ``wished``: bytes
    that the service which has it asks for by now, where the volume was never so large, or has outgrown it; else 0.
    ``schedule``: what it says of snapshots by now, where the volume has another schedule; else None.
    """

    volume: VolumeName
    node: NodeId | None
    tasks: tuple[ClaimTask, ...]
    conflict: str | None = None
    refused: tuple[Refusal, ...] = ()
    services: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    asked: Mapping[NodeId, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    wished: int = 0
    schedule: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """
    The volume that a new one begins as a copy of, as it was when the new record was made.

    ``fs_uuid`` is that of the file system on its disk, which the copy keeps; ``label`` is the UUID in the source's own
    label behind it (the two differ where the source is itself a copy).

    Of a disk that was adopted (`reberth adopt`) it is the disk itself: ``label`` is empty, and so is ``fs_uuid``, as
    nobody knows the UUID of its file system. Then the label on the disk alone tells which disk it is.
    """

    volume: VolumeName
    disk: DiskId
    fs_uuid: str
    label: str

    @property
    def adopted(self) -> bool:
        return not self.label


@dataclass(frozen=True, slots=True)
class Handout:
    """Owner and mode of the directory that containers get, as it is made; how the file system is made and mounted."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    mount_options: tuple[str, ...] = ()
    mkfs_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """
    What a user may say in ``driver_opts``. ``source`` is what ``clone-from`` meant at that time.

    ``for_driver``: what was said of the options that the storage driver declares (`DriverOption`).
    ``read_only``: its file system is mounted read-only, whoever mounts it.
    ``first_bytes``: the size that it was made with, where it has grown since (`reberth grow`); it never shrinks.
    ``from_snapshot``: what ``source`` names is this snapshot of that volume; empty: the volume itself.
    ``schedule``: of snapshots; people may change it.
    """

    size_bytes: int
    fstype: str = "ext4"
    policy: FencePolicy | None = None  # None: the cluster's
    source: Source | None = None
    handout: Handout = Handout()
    first_bytes: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    for_driver: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    from_snapshot: str = ""
    schedule: Schedule | None = None

    @property
    def made_bytes(self) -> int:
        return self.size_bytes if self.first_bytes is None else self.first_bytes

    @property
    def as_made(self) -> Spec:
        """What of it never changes."""
        return replace(self, size_bytes=self.made_bytes, first_bytes=None, schedule=None)

    def grown(self, size_bytes: int) -> Spec:
        return replace(self, size_bytes=max(size_bytes, self.size_bytes), first_bytes=self.made_bytes)


class SnapshotState(Enum):
    WANTED = "wanted"  # noted; the storage may have been asked
    THERE = "there"
    FAILED = "failed"  # given up; what is left of it in the storage goes when it is deleted
    LEAVING = "leaving"  # is being deleted


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What a volume was at one time: a disk of its own, which is never attached.

    ``token`` is in its disk's key, so that one made anew under an old name has another disk. ``at``: when it was
    ordered; once it is there, when its making began, so that what was written before that is in it. ``own``: its disk's
    key is one of the volume's own disks (of a restore that was given up). ``scheduled``: by the volume's schedule,
    which may delete it again.
    """

    name: str
    token: str
    state: SnapshotState
    at: float
    size_bytes: int
    disk: DiskId | None = None
    why: str = ""
    own: bool = False
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Restoring:
    """The volume is to get a disk of its own that begins as this snapshot. ``token``: in that disk's key."""

    snapshot: str
    token: str


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Those of one volume, oldest first; and the restore that was ordered."""

    each: tuple[Snapshot, ...] = ()
    restoring: Restoring | None = None

    def __bool__(self) -> bool:
        return bool(self.each) or self.restoring is not None

    def named(self, name: str) -> Snapshot | None:
        return next((each for each in self.each if each.name == name), None)

    @property
    def wanted(self) -> bool:
        return any(each.state is SnapshotState.WANTED for each in self.each)


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for one task's Mount on one node, in one boot of its VM."""

    task: TaskId
    node: NodeId
    vm: VmId
    boot: BootId
    epoch: Epoch
    serial: Serial
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Intent:
    """
    Written before an operation on the storage; settled when the storage's own list agrees.

    ``in_doubt`` is written when the call got no answer (InDoubt), before anything else is done for the volume: then
    the list's agreement settles nothing, because the call may still come after an older one that did the same.
    """

    operation: Operation
    epoch: Epoch
    vm: VmId | None = None
    evidence: EvidenceKind | None = None
    at: float = 0.0
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    moment: Moment
    at: float
    epoch: Epoch
    text: str
    node: str = ""  # hostname, for people
    evidence: EvidenceKind | None = None


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """
    One volume as stored in Swarm's Raft. What storage or Swarm can tell is not in it.

    ``fs_uuid`` is chosen when the record is made and given to mkfs: so a crash between mkfs and ``formatted`` is seen.
    It is in the disk's label, too; of a copy only there, as the copied file system keeps its own (``carries``). Of an
    adopted disk it is a digest of that label (`controller.volumes.naming.label_of`).
    ``formatted`` of a copy: its label was written, so from then on the disk is known to be its own.
    ``serial`` is the newest one given to a grant or a revocation: a gate refuses to mount under an older one.
    A new record's is the wall clock's second, so that a volume made again under a used name starts above the old ones.
    All grants are revoked exactly when ``serial`` is above each of theirs (``revoked``).
    ``service`` is the name of the one that got the newest grant: of several that want the volume it goes first, also
    when its task is a new one on another node.
    ``place``: the VM to which the storage was last asked to bring the disk, or on which a permission was last given;
    None where the record cannot know: one of an older version, adopted, or brought back from a backup.
    ``delete_at`` of a removed one: its disk is kept until then, by the clock of whoever acts and of most nodes;
    None: for no time.
    ``snapshots`` are not observed: the storage has their disks, but no word of what they are called.
    ``scheduled_at``: when its schedule last ordered one, by the clocks of most nodes.
    """

    name: VolumeName
    key: VolumeKey
    spec: Spec
    fs_uuid: str
    phase: Phase = Phase.CREATING
    disk: DiskId | None = None
    formatted: bool = False
    serial: Serial = Serial(0)
    grants: tuple[Grant, ...] = ()  # more than one only for tasks on the same node and boot
    intent: Intent | None = None
    service: str = ""
    place: VmId | None = None
    delete_at: float | None = None
    snapshots: Snapshots = Snapshots()
    scheduled_at: float = 0.0
    history: tuple[HistoryEntry, ...] = ()  # newest last, bounded
    version: int = 0  # of the Swarm Config: the compare-and-set token

    @property
    def revoked(self) -> bool:
        """Whether grants are listed, and all of them are taken back: their gate is to be told `Release(serial)`."""
        return bool(self.grants) and all(g.serial < self.serial for g in self.grants)

    @property
    def disks(self) -> frozenset[DiskId]:
        """Its own, and those of its snapshots."""
        own = [each.disk for each in self.snapshots.each]
        return frozenset(disk for disk in (self.disk, *own) if disk is not None)

    @property
    def copying(self) -> DiskId | None:
        """The disk that its own is to be made as a copy of, until that is done."""
        source = self.spec.source
        return source.disk if source is not None and self.phase is Phase.CREATING else None

    @property
    def copy_of(self) -> VolumeName | None:
        """The volume that it began as a copy of."""
        source = self.spec.source
        return None if source is None or source.adopted else source.volume

    @property
    def adopted(self) -> bool:
        return self.spec.source is not None and self.spec.source.adopted

    @property
    def carries(self) -> str:
        """The UUID of the file system on its disk; empty where only its label is known."""
        return self.fs_uuid if self.spec.source is None else self.spec.source.fs_uuid


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person said that a VM is dead (``reberth confirm-dead``). Counts for that boot only."""

    node: NodeId
    vm: VmId
    boot: BootId | None
    reason: str
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PausedPart:
    """
    One volume, or one node with all that is on it or wanted there, that a person has paused with this reason.

    A node is known by its ID or its VM: it has another ID when it joins again. ``hostname`` is for people.
    """

    reason: str
    volume: VolumeName | None = None
    node: NodeId | None = None
    vm: VmId | None = None
    hostname: str = ""

    @property
    def kind(self) -> str:
        return "node" if self.volume is None else "volume"

    @property
    def name(self) -> str:
        """As `reberth resume` is told it."""
        return self.hostname if self.volume is None else self.volume

    def on(self, node: NodeId | None, vm: VmId | None) -> bool:
        """Whether that node, or the node of that VM, is the one that is paused."""
        return (self.node is not None and self.node == node) or (self.vm is not None and self.vm == vm)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A disk on a VM, as the storage system reports it."""

    disk: DiskId
    vm: VmId
    state: AttachmentState = AttachmentState.ATTACHED
    epoch: Epoch | None = None  # the stamp the storage keeps; None where it keeps none


class ConnectKind(Enum):
    """What a node does so that a disk may be written from there."""

    REGISTER_KEY = "register-key"  # a SCSI-3 reservation key of its own, on each path of the disk


@dataclass(frozen=True, slots=True)
class Connection:
    """
    What a node has to do, or to undo, so that a disk may be written from there (`drivers.nodes`).

    ``by_id``: names of the disk under /dev/disk/by-id, which hold its WWN. ``key``: 64 bits, never 0. ``epoch``: of the
    controller that orders it.
    """

    disk: DiskId
    kind: ConnectKind
    by_id: tuple[str, ...]
    key: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class GateVolume:
    """
    A gate's word about one volume: its state and the newest serial it knows for it.

    ``users``, ``floor``, ``epoch`` and ``suffers``: see `VolumeReport`. A volume that is mounted has a user: one that
    the gate cannot name has serial 0.
    """

    volume: VolumeName
    state: MountState
    serial: Serial  # the newest grant used or revocation obeyed; anything up to it is refused once UNMOUNTED
    mounts: int = 0
    problem: str | None = None  # why it cannot unmount, or what it found on the disk
    users: tuple[Serial, ...] = ()
    floor: Serial = Serial(0)
    epoch: Epoch = Epoch(0)
    suffers: bool = False


@dataclass(frozen=True, slots=True)
class GateView:
    """The last sync of one gate, authenticated as ``node`` by its Swarm certificate."""

    node: NodeId
    vm: VmId
    boot: BootId
    age: float  # seconds since it was heard
    volumes: Mapping[VolumeName, GateVolume] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a VM (in one boot) cannot write to a volume. Made anew in every cycle from what was read in it."""

    kind: EvidenceKind
    vm: VmId
    text: str
    source: str  # "gate", "hypervisor", "storage", or the person
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver promises. The conformance suite holds it to every promise."""

    name: str
    detach_cuts_io: bool  # a detach that is Done ends all I/O of a VM that still runs
    exclusive_attach: bool  # attach is Refused while the disk is attached to another VM
    epoch_guard: bool  # calls under a lower epoch than the VM's stamp are Refused
    max_disks_per_vm: int
    shared: bool  # every VM can reach every disk
    batch: bool  # many disks of one VM cost one call
    clones: bool = False  # can make a disk as a copy of another that is attached nowhere
    snapshots: bool = False  # can copy a disk that is in use, as it was at one time
    fences_at_storage: bool = False  # the storage itself refuses every VM that is not in its list, whatever runs there,
    # for as long as it lives; the list is the storage's own, so that it counts also of a VM that nobody can see. A disk
    # on which it refuses nobody now is uncertain, or unread, or made to refuse all by whatever is done with it next


@dataclass(frozen=True, slots=True)
class DriverOption:
    """
    An option of a volume that a storage driver takes beside those of all. ``about``: for people.

    ``values``: none stands for any text, which the driver judges. ``copies``: it may be said of a copy, too.
    """

    key: str
    values: tuple[str, ...]
    default: str
    about: str
    copies: bool = False


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """
    What volumes have of a quota of the settings (``[volumes] quotas``), and what they may have together.

    ``most_bytes``, ``most_volumes``: None where that is not limited. ``full``: nothing more is made.
    """

    selector: str
    bytes: int
    volumes: int
    most_bytes: int | None
    most_volumes: int | None
    full: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """Cluster-wide settings of the planner."""

    fence: FencePolicy = FencePolicy.DETACH
    grace: float = 10.0  # seconds a node is down before a VM that still runs is fenced
    gate_fresh: float = 40.0  # seconds after which a gate's word is no longer current
    max_down_fraction: float = 0.5  # more nodes down at once than this: storm, hold everything
    detect: Detect = Detect.SWARM
    detect_after: float = 3.0  # seconds of silence of gate and node service until a node is suspected
    node_addresses: NodeAddresses = NodeAddresses.KNOWN
    node_label: str = "reberth"  # with the value "down" on a node that is proven dead; empty: none is set
    capabilities: Capabilities = Capabilities(
        name="none",
        detach_cuts_io=False,
        exclusive_attach=False,
        epoch_guard=False,
        max_disks_per_vm=0,
        shared=True,
        batch=False,
    )


@dataclass(frozen=True, slots=True)
class World:
    """
    Everything one decision may know, read in this cycle.

    Order of reading: ``volumes`` first, everything else after it. Every write is a compare-and-set on the record read
    here, so what was seen later than the record is still about it; seen earlier, it might be about its past.
    ``gates`` holds only what was heard since this controller became the acting one.
    ``kept``: of removed volumes whose disk is to be kept still, for how many seconds by this reader's wall clock.
    """

    epoch: Epoch
    nodes: Mapping[NodeId, Node] | None
    claims: Mapping[VolumeName, Claim] | None  # every volume that some task wants
    volumes: Mapping[VolumeName, VolumeRecord] | None
    attachments: tuple[Attachment, ...] | None
    power: Mapping[VmId, Power] | None  # of the VMs that gave reason to ask; OFF only where no gate contradicts
    gates: Mapping[VmId, GateView] = field(default_factory=dict)
    confirmations: tuple[Confirmation, ...] = ()
    paused: str | None = None  # a person's reason, or None
    paused_parts: tuple[PausedPart, ...] = ()
    unread: tuple[str, ...] = ()  # what could not be read and why, one sentence each
    unlisted: tuple[str, ...] = ()  # why the storage's list is not whole: a disk that is in it nowhere may be there
    odd: Mapping[DiskId, str] = field(default_factory=dict)  # what is wrong with a disk, with the cure: for people
    kept: Mapping[VolumeName, float] = field(default_factory=dict)
    unreadable: Mapping[VolumeKey, str] = field(default_factory=dict)  # volume records that cannot be read, and why
    running: Mapping[TaskId, float] = field(default_factory=dict)  # seconds since each was first seen running
    refused: Mapping[NodeId, str] = field(
        default_factory=dict
    )  # nodes that may not speak for the VM they name, and why
    unclaimed: Mapping[VmId, float] = field(default_factory=dict)  # seconds since each of these VMs was first seen to
    # have a grant or a disk, and no node of the swarm on it
    awaited: Mapping[VmId, float] = field(default_factory=dict)  # seconds since a gate of this VM's present boot could
    # be heard by us at all: we began to listen, or that boot; left out where that is long ago
    departed: tuple[NodeId, ...] = ()  # have a record, but left the swarm; no grant and no attachment is on their VM
