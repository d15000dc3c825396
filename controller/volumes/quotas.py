"""
How much the volumes of a stack, or with a label, may have together: ``[volumes] quotas``. Pure.

A quota is checked before something is made that takes room: a volume, a copy, a larger disk, a snapshot, a restore, and
a removed volume that is taken back. What there is already is never touched: who lowers a quota below it only gets no
more. Removed volumes whose disks are kept do not count. What is taken over as it is (`reberth adopt`, `reberth import`)
counts and is not refused: there a disk is to be rescued.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.model import Phase, SnapshotState, VolumeName, VolumeRecord
from controller.volumes.options import BadOptions, parse_size

_MOST = re.compile(r"([0-9]{1,9}) volumes?")
_FORM = "write `NAME*: 500GiB, 20 volumes` (of names) or `LABEL=text: 2TiB` (of a label), each on a line of its own"
_GIB = 2**30


class BadQuota(Exception):
    """The text says which line cannot be meant, and what can."""


@dataclass(frozen=True, slots=True)
class Quota:
    """
    ``selector``: a volume's name or a label as ``NAME=text``, where ``*`` stands for any text. A stack's volumes are
    called ``STACK_...``. None: so many bytes, or volumes, are not limited.
    """

    selector: str
    most_bytes: int | None = None
    most_volumes: int | None = None

    def fits(self, name: VolumeName, labels: Iterable[tuple[str, str]]) -> bool:
        if "=" in self.selector:
            return any(_like(self.selector, f"{key}={text}") for key, text in labels)
        return _like(self.selector, name)


@dataclass(frozen=True, slots=True)
class Taken:
    size: int = 0  # bytes, as they were asked for: thin disks may take less
    volumes: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made for one volume, in addition to what there is."""

    name: VolumeName
    labels: tuple[tuple[str, str], ...]
    more: Taken


def parse_quotas(text: str) -> tuple[Quota, ...]:
    """Lines, or parts with ``;`` between them. Raises BadQuota."""
    found = tuple(_quota(line.strip()) for line in re.split(r"[;\n]", text) if line.strip())
    twice = [each.selector for at, each in enumerate(found) if each.selector in {one.selector for one in found[:at]}]
    if twice:
        raise BadQuota(f"{twice[0]} stands there twice: leave one out")
    return found


def _quota(line: str) -> Quota:
    selector, _, allowed = line.rpartition(":")
    size, volumes = _allowance(line, [part.strip() for part in allowed.split(",")])
    if not selector.strip():
        raise BadQuota(f"{line!r} is no quota: {_FORM}")
    return Quota(selector.strip(), size, volumes)


def _allowance(line: str, parts: Sequence[str]) -> tuple[int | None, int | None]:
    size: int | None = None
    volumes: int | None = None
    for part in parts:
        many, bytes_ = _MOST.fullmatch(part), parse_size(part, "ext4")
        if many is not None and volumes is None:
            volumes = int(many[1])
        elif many is None and isinstance(bytes_, int) and size is None:
            size = bytes_
        else:
            why = f" ({bytes_.why})" if many is None and isinstance(bytes_, BadOptions) else ""
            raise BadQuota(f"{line!r} is no quota{why}: {_FORM}")
    return size, volumes


def taken(
    quota: Quota, records: Mapping[VolumeName, VolumeRecord], growing: Mapping[VolumeName, int] | None = None
) -> Taken:
    """What the volumes that it fits have. ``growing``: sizes that disks are being given just now."""
    theirs = [
        each
        for each in records.values()
        if each.phase is not Phase.DELETING and quota.fits(each.name, each.spec.labels)
    ]
    return Taken(sum(size_of(each, (growing or {}).get(each.name, 0)) for each in theirs), len(theirs))


def refusal(
    quotas: Sequence[Quota],
    records: Mapping[VolumeName, VolumeRecord],
    wanted: Wanted,
    growing: Mapping[VolumeName, int] | None = None,
) -> str | None:
    """Why it is not made, with the cure."""
    for quota in quotas:
        if quota.fits(wanted.name, wanted.labels):
            had = taken(quota, records, growing)
            if quota.most_bytes is not None and wanted.more.size and had.size + wanted.more.size > quota.most_bytes:
                much = f"{_gib(had.size)} of {_gib(quota.most_bytes)} are taken, and it needs {_gib(wanted.more.size)}"
                return f"{_of(quota, wanted)}: {much} more: {_CURE}"
            if _too_many(quota, had, wanted.more):
                return f"{_of(quota, wanted)}: {had.volumes} of {quota.most_volumes} volumes are there: {_CURE}"
    return None


_CURE = (
    "remove a volume or a snapshot of them that nobody needs, ask for less, or have an administrator raise it "
    "([volumes] quotas in the controller's settings)"
)


def _too_many(quota: Quota, had: Taken, more: Taken) -> bool:
    return quota.most_volumes is not None and more.volumes > 0 and had.volumes + more.volumes > quota.most_volumes


def _of(quota: Quota, wanted: Wanted) -> str:
    return f"volume {wanted.name} does not fit the quota of {quota.selector}"


def size_of(record: VolumeRecord, growing: int = 0) -> int:
    """Of its disk, of its snapshots' disks, and of the one that a restore is to make."""
    own, snapshots = max(record.spec.size_bytes, growing), record.snapshots
    there = {SnapshotState.WANTED, SnapshotState.THERE}
    kept = sum(each.size_bytes for each in snapshots.each if each.state in there)
    return own + kept + (0 if snapshots.restoring is None else own)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _gib(size: int) -> str:
    return f"{size / _GIB:.4g} GiB"
