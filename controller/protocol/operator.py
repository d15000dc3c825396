"""What people ask of the acting controller, through their manager: look, explain, confirm, pause. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from controller.protocol.bounds import Answer, Asked, Host, Message, Name, Number, Sentence, Time, Word
from controller.protocol.endpoint import Access, Endpoint, done
from controller.protocol.messages import Empty
from controller.protocol.views import (
    DoctorView,
    DriverView,
    EventsView,
    Explanation,
    MovesView,
    PlanView,
    SnapshotsView,
    SnapshotView,
    StatusView,
    UpgradeView,
)

MOST_PAUSED = 50  # parts: they stand in the record that each beat writes
IMPORTED_AT_ONCE = 4  # records in one message: it is far below what a controller takes, and soon answered
Reason = Annotated[str, Meta(max_length=500)]  # kept in the history of each volume that it concerns


class Explain(Message, frozen=True):
    volume: Asked


class History(Message, frozen=True):
    """Moves of this volume, to or from this node (its hostname), since then; all where nothing is said."""

    volume: Asked = ""
    node: Word = ""
    since: Time = 0.0


class Events(Message, frozen=True):
    """Entries of the histories of this volume, or of all, since then."""

    volume: Asked = ""
    since: Time = 0.0


class Plan(Message, frozen=True):
    """
    What would be done if this node were down (and its VM off, running, or not to be seen), or drained, or if the task
    of this volume's service were started on the node ``to``; where nothing is said: what is done now.
    """

    node_down: Word = ""
    vm: Literal["off", "runs", "unseen"] = "off"
    volume: Asked = ""
    to: Word = ""
    drain: Word = ""


class Move(Message, frozen=True):
    """The service that uses this volume is to run on that node. ``by``: who says so."""

    volume: Asked
    to: Word
    by: Word = ""


class EndMove(Message, frozen=True):
    """What `Move` changed about the service is taken back; its task stays where it is."""

    volume: Asked


class Evacuate(Message, frozen=True):
    """No task is to run on that node. ``by``: who says so."""

    node: Word
    by: Word = ""


class Confirm(Message, frozen=True):
    """``node``: hostname, node ID or VM, also of a node that left the swarm. ``by``: who says so."""

    node: Word
    reason: Reason
    by: Word = ""


class WouldConfirm(Message, frozen=True):
    """What would follow from `Confirm` about this node?"""

    node: Word


class Consequences(Message, frozen=True):
    """``name``: what the person is to type to go on; ``text``: what is known, and what would move."""

    name: Word
    text: Answer


class Fence(Message, frozen=True):
    """
    The VM of that node (hostname, node ID or VM) is to be powered off. ``although_it_lives``: the person knows that it
    does. ``by``: who says so.
    """

    node: Word
    reason: Reason
    by: Word = ""
    although_it_lives: bool = False


class WouldFence(Message, frozen=True):
    """What would follow from `Fence` about this node?"""

    node: Word
    although_it_lives: bool = False


class Adopt(Message, frozen=True):
    """
    The disk under this key is to be the volume's, with its data. ``size``, ``fstype``: as in ``driver_opts``; where
    Docker has made a record for the name already, its own are the default. ``by``: who says so.
    """

    volume: Asked
    disk: Word
    size: Word = ""
    fstype: Word = ""
    by: Word = ""


class Undelete(Message, frozen=True):
    """Take the removal of this volume back. ``by``: who says so."""

    volume: Asked
    by: Word = ""


class StoredRecord(Message, frozen=True):
    """One volume's record as Swarm keeps it: the data of its config, and what changes (see controller/records)."""

    facts: Annotated[str, Meta(max_length=2**14)]
    state: Annotated[str, Meta(max_length=2**16)]


class Paused(Message, frozen=True):
    """A pause of one volume or one node: see `PausedPart`. Empty: not said."""

    reason: Sentence
    volume: Name = ""
    node: Word = ""
    vm: Word = ""
    hostname: Host = ""


Parts = Annotated[tuple[Paused, ...], Meta(max_length=MOST_PAUSED)]


class Backup(Message, frozen=True):
    """
    What `reberth export` writes and `reberth import` reads. ``epoch``: of the leader who wrote it, at that time.
    ``missing``: one sentence for each record that is not in it, because it could not be read.
    """

    epoch: Number
    at: Time
    records: tuple[StoredRecord, ...]
    missing: tuple[Sentence, ...] = ()
    backup: int = 1  # the form of this file
    paused: Sentence | None = None
    paused_parts: Parts = ()


class Import(Message, frozen=True):
    """
    Some of a backup's records, its epoch, and what was paused. ``check``: only say what would be done. ``by``: who
    says so.
    """

    epoch: Number
    records: Annotated[tuple[StoredRecord, ...], Meta(max_length=IMPORTED_AT_ONCE)]
    check: bool = False
    by: Word = ""
    paused: Sentence | None = None
    paused_parts: Parts = ()


class Imported(Message, frozen=True):
    """One sentence a record, of those that were taken and of those that were refused: with these nothing was done."""

    taken: tuple[Sentence, ...]
    refused: tuple[Sentence, ...]


class Grow(Message, frozen=True):
    """Make the volume larger. ``size``: as in ``driver_opts``. ``by``: who says so."""

    volume: Asked
    size: Word
    by: Word = ""


class MakeSnapshot(Message, frozen=True):
    """Of this volume, as it is now. ``name`` empty: one is made of the time. ``by``: who says so."""

    volume: Asked
    name: Word = ""
    by: Word = ""


class ListSnapshots(Message, frozen=True):
    """Of this volume; of all where none is said."""

    volume: Asked = ""


class DeleteSnapshot(MakeSnapshot, frozen=True):
    pass


class RestoreSnapshot(MakeSnapshot, frozen=True):
    """The volume is to be as its snapshot ``name``; empty: what was ordered so is given up."""


class Pause(Message, frozen=True):
    """
    ``reason`` None: go on. ``seconds``: after them it ends by itself; None: it does not. ``node`` (hostname, ID or VM)
    or ``volume``: only that; where neither is said, everything. ``by``: who says so, where a certificate says it.
    """

    reason: Reason | None = None
    seconds: Annotated[float, Meta(gt=0, le=31 * 86_400)] | None = None
    node: Word = ""
    volume: Asked = ""
    by: Word = ""


class Told(Message, frozen=True):
    text: Answer


STATUS = Endpoint("/v1/manager/status", Empty, done(StatusView), Access.MANAGER)
DOCTOR = Endpoint("/v1/manager/doctor", Empty, done(DoctorView), Access.MANAGER)
UPGRADE = Endpoint("/v1/manager/upgrade", Empty, done(UpgradeView), Access.MANAGER)
EXPLAIN = Endpoint("/v1/manager/explain", Explain, done(Explanation), Access.MANAGER)
HISTORY = Endpoint("/v1/manager/history", History, done(MovesView), Access.MANAGER)
EVENTS = Endpoint("/v1/manager/events", Events, done(EventsView), Access.MANAGER)
PLAN = Endpoint("/v1/manager/plan", Plan, done(PlanView), Access.MANAGER)
MOVE = Endpoint("/v1/manager/move", Move, done(Told), Access.MANAGER)
END_MOVE = Endpoint("/v1/manager/end-move", EndMove, done(Told), Access.MANAGER)
EVACUATE = Endpoint("/v1/manager/evacuate", Evacuate, done(Told), Access.MANAGER)
CONFIRM = Endpoint("/v1/manager/confirm", Confirm, done(Told), Access.MANAGER)
WOULD_CONFIRM = Endpoint("/v1/manager/would-confirm", WouldConfirm, done(Consequences), Access.MANAGER)
FENCE = Endpoint("/v1/manager/fence", Fence, done(Told), Access.MANAGER)
WOULD_FENCE = Endpoint("/v1/manager/would-fence", WouldFence, done(Consequences), Access.MANAGER)
PAUSE = Endpoint("/v1/manager/pause", Pause, done(Told), Access.MANAGER)
ADOPT = Endpoint("/v1/manager/adopt", Adopt, done(Told), Access.MANAGER)
UNDELETE = Endpoint("/v1/manager/undelete", Undelete, done(Told), Access.MANAGER)
GROW = Endpoint("/v1/manager/grow", Grow, done(Told), Access.MANAGER)
MAKE_SNAPSHOT = Endpoint("/v1/manager/make-snapshot", MakeSnapshot, done(SnapshotView), Access.MANAGER)
SNAPSHOTS = Endpoint("/v1/manager/snapshots", ListSnapshots, done(SnapshotsView), Access.MANAGER)
DELETE_SNAPSHOT = Endpoint("/v1/manager/delete-snapshot", DeleteSnapshot, done(Told), Access.MANAGER)
RESTORE_SNAPSHOT = Endpoint("/v1/manager/restore-snapshot", RestoreSnapshot, done(Told), Access.MANAGER)
DRIVER = Endpoint("/v1/manager/driver", Empty, done(DriverView), Access.MANAGER)

EXPORT = Endpoint("/v1/manager/export", Empty, done(Backup), Access.MANAGER)
IMPORT = Endpoint("/v1/manager/import", Import, done(Imported), Access.MANAGER)

# What changes nothing, in nobody's eyes: for whom may only look. What is not named here asks for more.
LOOKS: tuple[Endpoint[Any, Any], ...] = (
    STATUS,
    DOCTOR,
    UPGRADE,
    EXPLAIN,
    HISTORY,
    EVENTS,
    PLAN,
    WOULD_CONFIRM,
    WOULD_FENCE,
    DRIVER,
    SNAPSHOTS,
)

QUESTIONS: tuple[Endpoint[Any, Any], ...] = (
    *LOOKS,
    *(MOVE, END_MOVE, EVACUATE),
    *(CONFIRM, FENCE, PAUSE, GROW),
    *(MAKE_SNAPSHOT, DELETE_SNAPSHOT, RESTORE_SNAPSHOT),
    *(ADOPT, UNDELETE, EXPORT, IMPORT),
)
