"""
What gates and controllers say to each other: JSON over HTTPS with mutual TLS. Pure.

The caller is the node in the common name of its Swarm certificate; no message names a node. Every path is
``POST``. A controller that is not the acting one answers 421 with `Redirect`; one that does not know who acts answers
503 with `Problem`. Unknown fields are refused, and what is larger than controller/protocol/bounds.py allows. The paths
are in controller/protocol/endpoints.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from controller.protocol.bounds import (
    MOST_NAMES,
    MOST_OPTIONS,
    MOST_USERS,
    MOST_VOLUMES,
    Answer,
    Asked,
    Count,
    Host,
    Identifier,
    Message,
    Name,
    Number,
    Seconds,
    Sentence,
    Time,
    Word,
)
from controller.protocol.connecting.orders import MOST_ORDERS, Carried, Connect


class Empty(Message, frozen=True): ...


class Problem(Message, frozen=True):
    """A refusal or a reason: one sentence that says what is wrong, and the cure."""

    why: Answer


class Redirect(Message, frozen=True):
    address: Word  # host:port of the acting controller


class CreateVolume(Message, frozen=True):
    name: Asked
    options: Annotated[dict[Word, Asked], Meta(max_length=MOST_OPTIONS)] = field(default_factory=dict)


class GetVolume(Message, frozen=True):
    name: Asked


class RemoveVolume(Message, frozen=True):
    """
    ``now``: its disk is not kept for the time that the controller's settings say. ``by``: who says so, where a
    certificate says it. Both: managers only.
    """

    name: Asked
    now: bool = False
    by: Word = ""


class Volume(Message, frozen=True):
    name: Name
    size_bytes: Number
    fstype: Word
    status: Answer = ""  # one sentence, shown by `docker volume inspect`


class Volumes(Message, frozen=True):
    volumes: tuple[Volume, ...] = ()


class Details(Message, frozen=True):
    """
    What `docker volume inspect` shows of a volume. What is not known, or not for the asking node to know, is left out.

    ``state`` and ``why`` as in `reberth status`; ``node``: hostnames of where its disk is; ``created``: unix seconds.
    """

    name: Name
    state: Word = ""
    why: Answer = ""
    node: Answer = ""
    size_bytes: Number = 0
    fstype: Word = ""
    disk: Asked = ""
    copy_of: Asked = ""
    created: Time = 0.0
    labels: Answer = ""  # NAME=text, with commas
    used_bytes: Number = 0  # as the gate that has it mounted last said; 0: not known
    available_bytes: Number = 0


class KnownNames(Message, frozen=True):
    """Which list of names the gate has (see `Names`). Long poll of ``wait`` seconds for another one."""

    epoch: Number = 0
    count: Number = 0
    wait: Seconds = 20.0


class Names(Message, frozen=True):
    """
    The names of all volumes of the swarm, so that every gate knows them also while no controller answers.

    ``epoch`` and ``count`` number the list: of two, the one with the higher epoch is newer, then the one with the
    higher count. With the numbers that were asked with nothing has changed, and no name is said. ``unreadable`` are the
    keys (`volumes.naming.volume_key`) of records that could not be read: names of such keys are volumes all the same.
    """

    epoch: Number
    count: Number
    names: Annotated[tuple[Name, ...], Meta(max_length=MOST_NAMES)] = ()
    unreadable: Annotated[tuple[Word, ...], Meta(max_length=MOST_NAMES)] = ()


class MountRequest(Message, frozen=True):
    """The gate asks for a grant for a Mount under way. Long poll of ``wait`` seconds; ask again on Pending."""

    volume: Name
    vm: Identifier
    boot: Identifier
    wait: Seconds = 25.0


class MountGrant(Message, frozen=True):
    """
    Permission to mount. The gate refuses it if it knows a newer serial for the volume.

    ``by_id``: names under /dev/disk/by-id, first that exists. ``may_format``: the record says never formatted; the gate
    still looks for any signature before mkfs, and gives mkfs the UUID ``fs_uuid``. Otherwise the file system must
    have that UUID.

    ``label`` is said for a copy only, which is never formatted: ``fs_uuid`` is then that of its source's file system,
    and what tells the two apart is the UUID in the disk's label. ``source_label`` is said while the record says that
    the copy was never mounted: its label may still be this one, and the gate then writes its own. A gate that knows no
    copies refuses such a grant, as it refuses every field that it does not know. Of an adopted disk ``fs_uuid`` is
    empty (any UUID), and ``label`` a digest of the label that must be on it.

    ``read_only``: nothing is formatted, and the file system is handed out mounted read-only.
    ``uid``, ``gid`` and ``mode`` are those of the directory that is handed out, when it is made; ``mount_options`` are
    of `volumes.handout_options.SAFE_MOUNT_OPTIONS`. They are said where the user did; ``mkfs_options`` (of
    `volumes.mkfs_options`) only with ``may_format``.

    **One container a task.** A Mount does not say whose it is, so a mount ID is tied to the grant that it is handed out
    under, and counts under that ``serial`` until Docker unmounts it. ``mounts`` is how often the task's container
    mounts the volume: the gate never counts more IDs under one serial than that. Whoever waits beyond them is handed
    nothing under this grant: the gate reports (`VolumeReport.users`) and asks again. That an ID went makes room again
    (Docker mounts and unmounts once while it prepares a container, and mounts under another ID when it starts it),
    unless the volume was unmounted with it: then the grant is spent, and a new one is given.

    ``void``: grants up to this serial count no more, also those that are still on their way; the others that count
    are above it. Beside a mount of a void grant nothing is handed out: somebody waits for the end of its container.
    """

    volume: Name
    key: Word
    task: Word
    epoch: Number
    serial: Number
    by_id: Annotated[tuple[Word, ...], Meta(max_length=64)]
    size_bytes: Number
    fstype: Word
    fs_uuid: Word
    may_format: bool
    label: Word = ""
    source_label: Word = ""
    mounts: Count = 1
    void: Number = 0
    uid: Number | None = None
    gid: Number | None = None
    mode: Count | None = None
    mount_options: Annotated[tuple[Word, ...], Meta(max_length=MOST_OPTIONS)] = ()
    mkfs_options: Annotated[tuple[Word, ...], Meta(max_length=MOST_OPTIONS)] = ()
    read_only: bool = False


class Pending(Message, frozen=True):
    why: Answer


class VolumeReport(Message, frozen=True):
    """
    One volume on the gate's node. ``serial`` is the newest grant used or revocation obeyed.

    ``formatted`` is sent once the file system ``fs_uuid`` (and a copy's own label) is surely on the disk, before it is
    mounted; the controller stores it, and the gate mounts only after the sync that carried it was answered.

    ``users``: for each mount ID that the gate counts, ascending, the serial of the grant that it was handed
    out under, 0 where that is not known any more (state that was lost). The controller gives no grant to a task while
    a mount is counted that is not of a task which Swarm still wants: the successor of a task waits for the end of its
    container, and 0 is a container that everybody waits for: while the gate counts one it hands out nothing.

    ``floor``: grants up to it are refused from now on, whether the volume is mounted or not; mounts that were handed
    out under them before stay counted. While unmounted it is ``serial``. ``Release(serial)`` raises it at once, also
    while containers use the volume. The controller counts on both in one report: once ``floor`` is reached, ``users``
    has every mount that was, or ever will be, handed out under a serial up to it.
    ``suffers``: the problem is of the mount that is there: its containers cannot read or write as they should, and a
    person has to look.
    ``epoch``: the highest one of the grants that the gate accepted for this volume in this boot; it refuses lower ones,
    so the controller takes an epoch above it.
    ``used`` and ``available``: bytes of its file system, where it is mounted and that could be read; else both 0.
    """

    name: Name
    state: Literal["unmounted", "mounting", "mounted"]
    serial: Number
    mounts: Count = 0
    formatted: bool = False
    problem: Sentence | None = None
    users: Annotated[tuple[Number, ...], Meta(max_length=MOST_USERS)] = ()
    floor: Number = 0
    epoch: Number = 0
    used: Number = 0
    available: Number = 0
    suffers: bool = False


class Sync(Message, frozen=True):
    """
    The whole truth of the gate about its node, at least every 20 s and at once after each change.

    A change ends a long poll under way: the gate sends the newer Sync and the controller answers the older one.
    ``kinds``: of connections that the gate can make; ``carried``: what became of such orders, until it was answered.
    """

    vm: Identifier
    boot: Identifier
    version: Word  # of the gate's software
    volumes: Annotated[tuple[VolumeReport, ...], Meta(max_length=MOST_VOLUMES)] = ()
    wait: Seconds = 20.0
    kinds: Annotated[tuple[Word, ...], Meta(max_length=MOST_OPTIONS)] = ()
    carried: Annotated[tuple[Carried, ...], Meta(max_length=MOST_ORDERS)] = ()


class Release(Message, frozen=True):
    """
    Refuse grants up to ``serial`` from now on and, if no container uses the volume, see that it is unmounted.

    Obeyed when the next Sync has the volume unmounted with at least this serial. Also for volumes unknown to the gate.
    """

    volume: Name
    serial: Number


class Orders(Message, frozen=True):
    """What is to be connected is said to gates alone that can (`Sync.kinds`). True: there is something to do."""

    releases: tuple[Release, ...] = ()
    connects: Annotated[tuple[Connect, ...], Meta(max_length=MOST_ORDERS)] = ()
    disconnects: Annotated[tuple[Connect, ...], Meta(max_length=MOST_ORDERS)] = ()

    def __bool__(self) -> bool:
        return bool(self.releases or self.connects or self.disconnects)


class EngineReport(Message, frozen=True):
    """
    What a node's own engine and kernel say, for `reberth doctor`. Advice only: nothing is decided by it.

    ``local_volumes`` are the named ones of the driver "local". ``clock`` is the node's wall clock, unix seconds.
    ``mtu``: of the way to the other managers, the smallest. ``root_free``, ``root_size``: bytes of the file system that
    Docker's data is on. None: not known.
    """

    server_version: Word = ""
    kernel: Word = ""
    docker_root: Word = ""
    live_restore: bool = False
    security: Annotated[tuple[Word, ...], Meta(max_length=MOST_OPTIONS)] = ()
    local_volumes: Annotated[tuple[Name, ...], Meta(max_length=MOST_VOLUMES)] = ()
    multipath: bool = False
    clock: Time = 0.0
    mtu: Count | None = None
    root_free: Number | None = None
    root_size: Number | None = None


class Hello(Message, frozen=True):
    """
    From the node service, once a minute: which VM the node is, and how its gate is.

    ``tcp_retries2``: the node's setting of that name (ip-sysctl), None where it cannot be read.
    """

    vm: Identifier
    boot: Identifier
    hostname: Host
    gate: Sentence = ""  # state of the plugin in one word or sentence
    tcp_retries2: Count | None = None
    engine: EngineReport | None = None
