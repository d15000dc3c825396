"""
The storage pools that the settings name, as all hosts show them. Pure.

A disk is known by its path, so by the folder of its pool. A pool that is missing on one host, or that does not answer
there, is a gap of that host; one of which nobody can say where it is, or that is no shared folder, is unusable. Either
holds the volumes in it, and no others.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from controller.model import DiskId
from drivers.libvirt.faults import Fault, Kind
from drivers.shared.faults import CallError

PREFIX = "reberth-"  # of our files in a pool, and of our metadata
POOL_KINDS = ("dir", "fs", "netfs")
IMAGES = "rbd:"  # how the names of Ceph's images begin
CEPH = "ceph"  # kind of the pool of Ceph's, which libvirt does not know as a pool
MAKER = 0  # index of the host that makes, copies and deletes disks
_SHARED = {*POOL_KINDS, CEPH}


@dataclass(frozen=True, slots=True)
class Pool:
    """A storage pool as one host shows it."""

    name: str
    kind: str
    path: str
    active: bool

    def disk(self, key: str, extension: str) -> DiskId:
        return DiskId(posixpath.join(self.path, f"{PREFIX}{key}.{extension}"))

    def has(self, disk: str) -> bool:
        """Whether it is a name that only a disk of ours in this pool has."""
        return posixpath.dirname(disk) == self.path and _named_as_ours(disk)


@dataclass(frozen=True, slots=True)
class Unusable:
    """``folders``: where its files may be; none where no host could say."""

    name: str
    cause: CallError
    folders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pools:
    """
    All pools of the settings. ``default``: the name of the one for volumes that say none.

    ``gaps``: by host and pool, why nothing of this pool can be opened or made on this host.
    """

    default: str
    usable: tuple[Pool, ...]
    unusable: tuple[Unusable, ...] = ()
    gaps: Mapping[tuple[int, str], CallError] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The default one first."""
        found = [*(each.name for each in self.usable), *(each.name for each in self.unusable)]
        return (self.default, *(name for name in found if name != self.default))

    def of(self, disk: DiskId) -> Pool | None:
        return next((each for each in self.usable if each.has(disk)), None)

    def usable_or(self, name: str) -> Pool | CallError:
        """The pool for a disk that is to be made, copied or deleted; or why that cannot be now."""
        found = next((each for each in self.usable if each.name == name), None)
        if found is None:
            return next(each.cause for each in self.unusable if each.name == name)
        if (gap := self.gaps.get((MAKER, name))) is not None:
            return gap
        if not found.active:
            why = (
                f"the pool {name} is not started on the first host of uris: start it there (`virsh pool-start {name}`)"
            )
            return Fault(Kind.STATE, why)
        return found

    @property
    def able(self) -> list[Pool]:
        """Those in which a disk can be made, copied or deleted."""
        return [each for name in self.names if isinstance(each := self.usable_or(name), Pool)]

    def kept_by(self, disk: DiskId) -> Pool:
        """The pool of a disk that is there, for a change of its file. Raises CallError."""
        found = self.of(disk)
        able = Fault(Kind.OTHER, self.refusal(disk) or "") if found is None else self.usable_or(found.name)
        if isinstance(able, CallError):
            raise able
        return able

    def refusal(self, disk: DiskId) -> str | None:
        """Why this driver must not touch a disk, or None."""
        if self.of(disk) is not None:
            return None
        if (why := self.doubt(disk, by_us=True)) is not None:
            return why
        places = " or ".join(f"{each.path} (pool {each.name})" for each in self.usable)
        return (
            f"{disk} is not one of our files in {places}, where the settings say that the disks are: set pool and "
            "pools back, or move the disk there"
        )

    def gap(self, disk: DiskId, host: int) -> str | None:
        """Why this disk cannot be opened on this host."""
        found = self.of(disk)
        cause = None if found is None else self.gaps.get((host, found.name))
        return None if cause is None else str(cause)

    def doubt(self, file: str, *, by_us: bool = False) -> str | None:
        """
        Why nobody can say now what a file of a VM's is to us; None: it is a disk of ours, or none.

        ``by_us``: its attachment bears a name of ours. Without that, a file of somebody else's may be called as ours.
        """
        if not _named_as_ours(file) or self.of(DiskId(file)) is not None:
            return None
        folder = posixpath.dirname(file)
        causes = [str(each.cause) for each in self.unusable if folder in each.folders or (by_us and not each.folders)]
        return f"{file} lies in no pool that can be used now: {'; '.join(causes)}" if causes else None

    def concerns(self, host: int) -> list[str]:
        """What keeps disks from VMs on this host, one sentence for a pool."""
        gaps = [(name, cause) for (at, name), cause in self.gaps.items() if at == host]
        return [f"no disk of the pool {name}: {cause}" for name, cause in (*self._causes(), *gaps)]

    def _causes(self) -> list[tuple[str, CallError]]:
        return [(each.name, each.cause) for each in self.unusable]


def joined(seen: Mapping[str, Sequence[Pool | CallError]], uris: Sequence[str]) -> Pools:
    """``seen``: by name, the default one first; what each host shows, in the order of ``uris``."""
    usable, unusable = list[Pool](), list[Unusable]()
    gaps = dict[tuple[int, str], CallError]()
    for name, shown in seen.items():
        found = _judged(name, shown, uris)
        if isinstance(found, Unusable):
            unusable.append(found)
        else:
            usable.append(found)
            gaps |= {(host, name): each for host, each in enumerate(shown) if isinstance(each, CallError)}
    usable, twins = _apart(usable)
    return Pools(next(iter(seen)), tuple(usable), (*unusable, *twins), gaps)


def _judged(name: str, shown: Sequence[Pool | CallError], uris: Sequence[str]) -> Pool | Unusable:
    there = [(uri, each) for uri, each in zip(uris, shown, strict=True) if isinstance(each, Pool)]
    if not there:
        return Unusable(name, next(each for each in shown if isinstance(each, CallError)))
    folders = frozenset(pool.path for _, pool in there)
    first_uri, first = there[0]
    for uri, pool in there:
        if pool.kind not in _SHARED:
            why = (
                f"the pool {name} on {uri} is of type {pool.kind}: QEMU's lock, on which exclusivity rests, works on "
                f"files only; use a pool of type {', '.join(POOL_KINDS)}, or Ceph without a pool of libvirt's (the "
                "section [storage.libvirt.rbd], docs/ceph.md)"
            )
            return Unusable(name, Fault(Kind.OTHER, why), folders)
        if pool.path != first.path:
            why = (
                f"the pool {name} is {pool.path} on {uri} and {first.path} on {first_uri}: it must be the same shared "
                "folder, at the same path, on all hosts"
            )
            return Unusable(name, Fault(Kind.OTHER, why), folders)
    return first


def _apart(found: Iterable[Pool]) -> tuple[list[Pool], list[Unusable]]:
    """A folder belongs to the first pool that has it: under two names one file would be two disks."""
    first, twins = dict[str, Pool](), list[Unusable]()
    for pool in found:
        owner = first.setdefault(pool.path, pool)
        if owner is not pool:
            why = f"the pools {owner.name} and {pool.name} are both {pool.path}: give each a folder of its own"
            twins.append(Unusable(pool.name, Fault(Kind.OTHER, why), frozenset({pool.path})))
    return [*first.values()], twins


def _named_as_ours(file: str) -> bool:
    return posixpath.basename(file).startswith(PREFIX)


def parse_pool(text: str, active: bool) -> Pool:
    """Raises ET.ParseError."""
    root = ET.fromstring(text)  # noqa: S314 - from the hypervisor, which is trusted with the disks themselves
    path = (root.findtext("target/path") or "").strip()
    return Pool((root.findtext("name") or "").strip(), root.get("type", ""), posixpath.normpath(path), active)


def ceph_pool(name: str) -> Pool:
    """Its path is what stands before a disk's name in its ID."""
    return Pool(name, CEPH, f"{IMAGES}{name}", active=True)


def only(pool: Pool) -> Pools:
    return Pools(pool.name, (pool,))
