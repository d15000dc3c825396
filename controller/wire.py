"""
What gates and controllers say to each other: JSON over HTTPS with mutual TLS. Pure.

The caller is the node in the common name of its Swarm certificate; no message names a node. Every path is
``POST``. A controller that is not the acting one answers 421 with `Redirect`; one that does not know who acts answers
503 with `Problem`. Unknown fields are refused.

| path               | request            | answer                                             |
|--------------------|--------------------|----------------------------------------------------|
| /v1/volumes/create | CreateVolume       | 200 Volume, 400/409 Problem                        |
| /v1/volumes/get    | GetVolume          | 200 Volume, 404 Problem                            |
| /v1/volumes/list   | Empty              | 200 Volumes                                        |
| /v1/volumes/remove | RemoveVolume       | 200 Empty, 404, 409 Problem (in use)               |
| /v1/mount          | MountRequest       | 200 MountGrant, 202 Pending, 409 Problem           |
| /v1/sync           | Sync               | 200 Orders (at once if there are any, else after ``wait`` seconds) |
| /v1/hello          | Hello              | 200 Empty: from the node service                   |
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All messages refuse fields that they do not know: two versions that differ find out at once."""


class Empty(Message, frozen=True):
    pass


class Problem(Message, frozen=True):
    """A refusal or a reason: one sentence that says what is wrong, and the cure."""

    why: str


class Redirect(Message, frozen=True):
    address: str  # host:port of the acting controller


class CreateVolume(Message, frozen=True):
    name: str
    options: dict[str, str] = {}


class GetVolume(Message, frozen=True):
    name: str


class RemoveVolume(Message, frozen=True):
    name: str


class Volume(Message, frozen=True):
    name: str
    size_bytes: int
    fstype: str
    status: str = ""  # one sentence, shown by `docker volume inspect`


class Volumes(Message, frozen=True):
    volumes: tuple[Volume, ...] = ()


class MountRequest(Message, frozen=True):
    """The gate asks for a grant for a Mount under way. Long poll of ``wait`` seconds; ask again on Pending."""

    volume: str
    vm: str
    boot: str
    wait: float = 25.0


class MountGrant(Message, frozen=True):
    """
    Permission to mount. The gate refuses it if it knows a newer serial for the volume.

    ``by_id``: names under /dev/disk/by-id, first that exists. ``may_format``: the record says never formatted; the gate
    still looks for any signature before mkfs, and gives mkfs the UUID ``fs_uuid``. Otherwise the file system must
    have that UUID.

    ``label`` is said for a copy only, which is never formatted: ``fs_uuid`` is then that of its source's file system,
    and what tells the two apart is the UUID in the disk's label. ``source_label`` is said while the record says that
    the copy was never mounted: its label may still be this one, and the gate then writes its own. A gate that knows no
    copies refuses such a grant, as it refuses every field that it does not know.
    """

    volume: str
    key: str
    task: str
    epoch: int
    serial: int
    by_id: tuple[str, ...]
    size_bytes: int
    fstype: str
    fs_uuid: str
    may_format: bool
    label: str = ""
    source_label: str = ""


class Pending(Message, frozen=True):
    why: str


class VolumeReport(Message, frozen=True):
    """
    One volume on the gate's node. ``serial`` is the newest grant used or revocation obeyed.

    ``formatted`` is sent once the file system ``fs_uuid`` (and a copy's own label) is surely on the disk, before it is
    mounted; the controller stores it, and the gate mounts only after the sync that carried it was answered.
    """

    name: str
    state: Literal["unmounted", "mounting", "mounted"]
    serial: int
    mounts: int = 0
    formatted: bool = False
    problem: str | None = None


class Sync(Message, frozen=True):
    """
    The whole truth of the gate about its node, at least every 20 s and at once after each change.

    A change ends a long poll under way: the gate sends the newer Sync and the controller answers the older one.
    """

    vm: str
    boot: str
    version: str  # of the gate's software
    volumes: tuple[VolumeReport, ...] = ()
    wait: float = 20.0


class Release(Message, frozen=True):
    """
    Refuse grants up to ``serial`` from now on and, if no container uses the volume, see that it is unmounted.

    Obeyed when the next Sync has the volume unmounted with at least this serial. Also for volumes unknown to the gate.
    """

    volume: str
    serial: int


class Orders(Message, frozen=True):
    releases: tuple[Release, ...] = ()


class Hello(Message, frozen=True):
    """
    From the node service, once a minute: which VM the node is, and how its gate is.

    ``tcp_retries2``: the node's setting of that name (ip-sysctl), None where it cannot be read.
    """

    vm: str
    boot: str
    hostname: str
    gate: str = ""  # state of the plugin in one word or sentence
    tcp_retries2: int | None = None
