"""
The state of a simulated cluster: two or three VMs, one volume, two controllers. Plain tuples, so that states hash fast.

The volume may be removed and made anew under its name: each such life has a number, and a disk of its own.

Everything that can differ at one instant is in it, and nothing that cannot matter any more (see `tidy` in cluster.py):
the search visits each distinct state once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from controller.model import Capabilities
from controller.planner.actions import Action

NOWHERE = -1
VOLUME = -1  # what a person has paused alone: the volume; a VM's number: its node
NOTHING = -2
SLOTS = 4  # a task's number is a multiple of this, and its slot


T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """A `_replace` that copies the tuple and sets what is named; Python's own looks each field up by its name."""
    made: Any = cls
    places = {name: place for place, name in enumerate(made._fields)}

    def replaced(self: Iterable[object], **changes: object) -> object:
        values = list(self)
        for name, value in changes.items():
            values[places[name]] = value
        return tuple.__new__(made, values)

    made._replace = replaced
    return cls


def slot(task: int) -> int:
    return task % SLOTS


class Mount(IntEnum):
    """What a VM's gate has done with the volume."""

    NO = 0
    YES = 1  # mounted: the VM writes whenever the disk is there
    TORN = 2  # mounted, but the disk was pulled from under it: only errors from now on


class Age(IntEnum):
    """Where the volume's record is in its life; the model calls it `Phase`, and has no word for GONE."""

    GONE = 0
    CREATING = 1
    READY = 2
    DELETING = 3


class Note(IntEnum):
    """What a controller writes once the storage has answered Done."""

    MADE = 1
    DELETED = 2


@quick
class Vm(NamedTuple):
    on: bool = True
    boot: int = 1
    stamp: int = 0  # the epoch that the storage keeps for this VM
    mount: Mount = Mount.NO
    boxes: frozenset[tuple[int, int]] = frozenset()  # containers that have it: (task, serial that the gate counts)
    used: int = 0  # the newest grant that was mounted under, in this boot
    floor: int = 0  # grants up to it are refused by the gate of this boot
    offers: frozenset[tuple[int, int, int]] = frozenset()  # (serial, task, void): grants that may still arrive
    stale: frozenset[int] = frozenset()  # serials, of an earlier life of the volume: its disk is never found again
    cut: bool = False  # no way from this VM to Swarm and the controllers; the hypervisor still sees it
    hidden: bool = False  # the hypervisor has lost its host: power unknown
    down: bool = False  # Swarm's word
    known_boot: int = 1  # the boot in the node's record
    saved: bool = False  # off, with its memory on a disk: it goes on writing when it is resumed
    lies: bool = False  # its gate, asked to let go, says at once that it has
    joined: int = 1  # how often this VM has joined the swarm: its node has another ID each time
    drained: bool = False  # its node takes no tasks
    young: bool = False  # Swarm has called its node down a moment ago
    missed: bool = False  # our own detector says, rightly or wrongly, that its node is silent

    @property
    def serial(self) -> int:
        """What the gate reports: the newest grant used or revocation obeyed."""
        return max(self.floor, self.used)

    @property
    def users(self) -> tuple[int, ...]:
        return tuple(sorted(serial for _, serial in self.boxes))


class Intent(NamedTuple):
    op: str
    vm: int  # NOWHERE for create and delete
    epoch: int
    in_doubt: bool = False


@quick
class Record(NamedTuple):
    serial: int = 0
    grants: tuple[tuple[int, int, int, int, int], ...] = ()  # (vm, boot, serial, task, epoch)
    intent: Intent | None = None
    age: Age = Age.READY
    life: int = 1
    disk: int = 1  # the disk's name; 0: not made yet
    place: int = NOWHERE  # the VM that it was last brought to, as far as this record knows
    restoring: bool = False  # from a snapshot


class View(NamedTuple):
    """What a controller last heard from a gate."""

    boot: int
    mount: Mount
    serial: int
    users: tuple[int, ...] = ()
    floor: int = 0
    joined: int = 1
    since: bool = False  # heard after Swarm had called the node down, a moment ago, or after the detector missed it


class Call(NamedTuple):
    """A call on its way to the storage: it lands once, at any time, or never."""

    op: str
    vm: int
    epoch: int
    proven: bool  # the planner said that it had evidence
    waiting: int  # the controller that waits for the answer, -1: nobody (in doubt)
    disk: int = 1


@quick
class Leader(NamedTuple):
    epoch: int = 0
    pending: Action | Note | None = None  # decided, not yet written
    views: tuple[View | None, ...] = ()


@quick
class Budget(NamedTuple):
    """How often each kind of fault may still happen."""

    elections: int = 1
    doubts: int = 1
    crashes: int = 1
    boots: int = 1
    cuts: int = 1
    hides: int = 0
    moves: int = 2  # changes of the claim by Swarm or a person
    words: int = 0  # confirmations by a person
    hands: int = 0  # a person detaches or attaches the disk by hand, past all guards
    saves: int = 0  # a VM is saved with its memory
    lies: int = 0  # a gate begins to lie
    pauses: int = 0  # a person pauses Reberth for a while
    rests: int = 0  # a person pauses the volume alone, or a node
    mislays: int = 0  # the storage lists the disk nowhere while a VM has it (it was moved or renamed under it)
    strays: int = 0  # the storage moves the disk to another file under its VM; the old file stays, and looks free
    blinds: int = 0  # the storage cannot be read for a while; what was asked of it may still happen
    drains: int = 0  # a person drains a node, and gives it back later
    joins: int = 0  # one more task on the claim's node wants the volume, too
    restarts: int = 0  # the claim's containers end, and begin again on the same node
    replaces: int = 0  # Swarm puts a new task in a slot on the node where the container of its last one still runs
    forgets: int = 0  # a gate starts again with nothing in memory
    runs: int = 0  # Swarm hears that the claim's tasks run; from then on each may end, and none mounts again
    rejoins: int = 0  # a node leaves the swarm and joins it again, in the same boot
    removals: int = 0  # `docker volume rm`
    makes: int = 0  # `docker volume create` after it, under the same name
    restores: int = 0  # `reberth snapshot restore`
    telling: int = 0  # 1: controllers tell Swarm of dead nodes by a label; it is never spent
    lags: int = 0  # 1: Swarm calls a node down for a moment, or for long, also while it lives; it is never spent
    misses: int = 0  # our own detector says that a node is silent, whether it hangs or lives
    backups: int = 0  # Swarm is restored from a backup that was made a while ago
    stickers: int = 0  # a person, or a leader that comes late, puts that label on a node


@quick
class State(NamedTuple):
    vms: tuple[Vm, ...]
    disk: int  # bit mask: the VMs that have the disk of the volume's present life
    made: frozenset[int]  # names of the disks that exist
    record: Record
    claim: int  # the VM (and node) that has the wanted tasks; -1: no task
    tasks: tuple[int, ...]  # newest first; a task's number tells its slot (`slot`)
    task: int  # how many tasks there were before the newest
    epoch: int  # in the record of leadership
    acting: int
    leaders: tuple[Leader, ...]
    calls: tuple[Call, ...]
    confirmed: frozenset[tuple[int, int]]
    budget: Budget
    started: frozenset[int] = frozenset()  # tasks that Swarm has heard of as running
    paused: bool = False
    rest: int = NOTHING
    mislaid: bool = False  # the storage lists the disk nowhere
    astray: bool = False  # the disk's VM has it on another file; what bears its name is old
    blind: bool = False  # the storage cannot be read
    backup: tuple[Record, int, tuple[int, ...]] | None = None  # what a backup of Swarm has: record, claim, tasks
    labels: frozenset[int] = frozenset()  # VMs whose node bears the label of the dead
    held: int = 0  # the epoch under which a controller holds the disk, where nodes connect it themselves


@dataclass(frozen=True, slots=True)
class Storage:
    """What the storage refuses; each guard can be switched off to show that it is needed."""

    name: str
    exclusive: bool = True  # attach while attached elsewhere is refused
    epochs: bool = True  # a call under an epoch lower than the VM's stamp is refused
    busy: bool = False  # detach from a running VM that has it mounted is refused
    cuts: bool = True  # a detach ends the writes of a running VM
    promised: bool = False  # the driver promises `cuts`, whether it is so or not
    forgets: bool = False  # a lost VM that is hidden (left the inventory, no permission) is in no list either
    lent: bool = False  # another volume is to begin as a copy of this one, and waits for its disk for ever
    snapped: bool = False  # a snapshot of it is wanted for ever, and this storage copies a disk at rest alone
    keeps: bool = True  # a disk that is attached is not deleted
    renames: bool = True  # a volume made anew under an old name has a disk of another name (not the storage's doing)
    tells_saved: bool = True  # a VM that was saved counts as on, and is not reconfigured
    lists_strays: bool = True  # a disk that its VM has on another file is listed there, as uncertain
    refuses_strays: bool = True  # such a disk is attached, detached and deleted by nobody
    voids: bool = True  # a grant tells its gate which earlier ones are void (not the storage's doing)
    nodes_connect: bool = False  # all VMs see the disk: an attach is an order to the VM's gate, which may come late
    knows_epoch: bool = True  # an order is carried out only while the controller of its epoch holds the disk
    knows_use: bool = True  # a gate connects nothing anew that is in use on its node

    def disk_name(self, life: int) -> int:
        return life if self.renames else 1

    @property
    def capabilities(self) -> Capabilities:
        """What the driver promises: the planner is told of the guards, also of those that are switched off."""
        cuts = self.cuts or self.promised
        return Capabilities(
            self.name, cuts, True, True, 8, shared=True, batch=False, fences_at_storage=self.nodes_connect
        )


LAB = Storage("lab", busy=True, cuts=False)  # shares the kernel with its machines: cannot cut, refuses busy disks
GHOST = Storage("ghost", cuts=False)  # keeps no promise about writes after a detach
VSPHERE = Storage("vsphere")  # hot-removal cuts I/O
INVENTORY = Storage("inventory", forgets=True)
LUN = Storage("lun", nodes_connect=True)  # the storage itself refuses whoever is not connected
LENT = Storage("vsphere, to be copied", lent=True)
SNAPPED = Storage("vsphere, a snapshot is wanted", snapped=True)
LENT_LAB = Storage("lab, to be copied", busy=True, cuts=False, lent=True)


def start(vms: int, budget: Budget) -> State:
    """All well: the task is on VM 0, which has the disk mounted under the first grant; the first controller acts."""
    first = Vm(stamp=1, mount=Mount.YES, boxes=frozenset({(0, 1)}), used=1)
    views = (View(1, Mount.YES, 1, (1,)), *(View(1, Mount.NO, 0) for _ in range(vms - 1)))
    return State(
        vms=(first, *(Vm() for _ in range(vms - 1))),
        disk=1,
        made=frozenset({1}),
        record=Record(1, ((0, 1, 1, 0, 1),), place=0),
        claim=0,
        tasks=(0,),
        task=0,
        epoch=1,
        acting=0,
        leaders=(Leader(1, None, views), Leader(0, None, (None,) * vms)),
        calls=(),
        confirmed=frozenset(),
        budget=budget,
    )
