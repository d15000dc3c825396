"""
Law 4 as a pure function: may this disk be formatted, is it ours, or is it somebody else's?

Laws of this file:
- Format only if the record says never formatted, and nothing at all is on the disk: no signature that blkid or wipefs
  knows, and nothing but zeros at both ends, where every file system, partition table and RAID keeps its own.
- The one exception is our own mkfs that was cut off: the disk's last MiB, which the file system never uses, names the
  very UUID of this volume (`Tail`), or xfs itself says "in progress" under that UUID.
- A copy of another volume's disk carries that one's file system, with its UUID. It is never formatted. What tells it
  from its source and from other copies is the same label: it must name this volume. Only before a copy's first mount it
  may still be what was copied along; then it is written anew.
- A label that can be read and names another volume makes any disk a stranger: it is a copy of ours, or we of it.
- Of a disk that was adopted nobody knows the UUID of its file system. Its label must fit the key that the disk was made
  under, and is the only thing that tells which disk it is; it is never formatted.
- Everything else is refused with what was found. Doubt is a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.volumes.naming import label_fits

TAIL_BYTES = 1 << 20  # kept free behind the file system, for our label
HEAD_BYTES = 1 << 20
ROUNDING_BYTES = 64 << 20  # storage systems round sizes up to their extents


@dataclass(frozen=True, slots=True)
class Signature:
    type: str
    uuid: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """
    What was read from a disk. ``tail`` is the volume's UUID in our label, if there is one. ``given``: the size of the
    volume that a LUN's nameplate says it was given to; LUNs come in sizes that an administrator made beforehand.
    """

    size: int
    signatures: tuple[Signature, ...]  # of blkid and wipefs, together
    ambivalent: bool  # blkid cannot tell which of several it is
    head_zero: bool
    tail_zero: bool
    tail: str | None = None
    xfs_in_progress: bool = False
    given: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    ``label`` is empty for a volume that is no copy: its label, where there is one, names the UUID of its file system.
    ``source_label`` is empty once the copy has been mounted: see `controller.protocol.messages.MountGrant`.
    ``fs_uuid`` is empty where only the label is known, of an adopted disk and its copies.
    """

    fstype: str
    fs_uuid: str
    size_bytes: int
    may_format: bool
    label: str = ""
    source_label: str = ""
    mkfs_options: tuple[str, ...] = ()

    @property
    def copied(self) -> bool:
        return self.label != ""


@dataclass(frozen=True, slots=True)
class Ours:
    """The volume's own file system is on it."""


@dataclass(frozen=True, slots=True)
class Label:
    """A copy that was never mounted: its source's file system is on it, and it is to get its own label."""


@dataclass(frozen=True, slots=True)
class Format:
    """Blank, and never formatted. ``resume``: remains of our own mkfs are on it."""

    resume: bool = False


@dataclass(frozen=True, slots=True)
class Stranger:
    """Not to be touched. ``why`` says what was found and what to do."""

    why: str


Judgement = Ours | Label | Format | Stranger

_CURE = "Reberth neither formats nor mounts it; look at the disk, and give the volume its right disk or a blank one"


def judge(found: Findings, wanted: Wanted) -> Judgement:
    if found.size < wanted.size_bytes:
        return Stranger(
            f"the disk has {found.size} bytes, less than the volume's {wanted.size_bytes}: the wrong disk? {_CURE}"
        )
    if found.ambivalent:
        return Stranger(f"the disk carries several contradicting signatures ({_names(found)}). {_CURE}")
    if found.signatures:
        return _signed(found, wanted)
    return _unsigned(found, wanted)


def _names(found: Findings) -> str:
    return ", ".join(f"{one.type} {one.uuid}".strip() for one in found.signatures) or "blkid gives no names"


def _signed(found: Findings, wanted: Wanted) -> Judgement:
    expected = (wanted.fstype, wanted.fs_uuid.lower())
    kinds = {(one.type, one.uuid.lower()) for one in found.signatures}
    if wanted.copied and not wanted.fs_uuid:
        expected = (wanted.fstype, found.signatures[0].uuid.lower())
    if kinds != {expected}:
        return Stranger(
            f"expected {wanted.fstype} {wanted.fs_uuid or 'of any UUID'}, but found {_names(found)}. {_CURE}"
        )
    if found.xfs_in_progress:
        return _half_made(found, wanted)
    return _labelled(found, wanted)


def _half_made(found: Findings, wanted: Wanted) -> Judgement:
    """Remains of our own mkfs, unless this volume never had one under way: it was formatted long ago, or is a copy."""
    if wanted.copied:
        return Stranger(f"the volume is a copy of another, but the xfs on the disk was never finished. {_CURE}")
    if not wanted.may_format:
        return Stranger(f"the xfs on the disk was never finished, although the record says it was. {_CURE}")
    if found.tail is not None and found.tail.lower() != wanted.fs_uuid.lower():
        return Stranger(f"the xfs on the disk was never finished, and the disk is labelled {found.tail}. {_CURE}")
    return Format(resume=True)


def _labelled(found: Findings, wanted: Wanted) -> Judgement:
    """The right file system; whose copy of it?"""
    own, tail = wanted.label or wanted.fs_uuid, found.tail
    if wanted.source_label and (tail is None or label_fits(own, tail) or label_fits(wanted.source_label, tail)):
        return Label()
    if (not wanted.copied) if tail is None else label_fits(own, tail):
        return Ours()
    says = "has no label" if tail is None else f"is labelled {tail.lower()}"
    return Stranger(
        f"the file system is {wanted.fs_uuid or wanted.fstype}, as expected, but the disk {says} and not "
        f"{own.lower()}: the disk of another copy, or the one that was copied? {_CURE}"
    )


def _unsigned(found: Findings, wanted: Wanted) -> Judgement:
    if wanted.copied:
        what = "is a copy of another" if wanted.fs_uuid else "was adopted"
        return Stranger(f"the volume {what}, but the disk has no file system: the wrong disk? {_CURE}")
    if not wanted.may_format:
        return Stranger(f"the volume was formatted before, but the disk has no file system: the wrong disk? {_CURE}")
    if _too_large(found, wanted):
        return Stranger(
            f"the disk has {found.size} bytes, more than the volume's {wanted.size_bytes}: the wrong disk? {_CURE}"
        )
    if found.head_zero and found.tail_zero:
        return Format()
    if found.tail is not None and found.tail.lower() == wanted.fs_uuid.lower():
        return Format(resume=True)
    where = "first" if not found.head_zero else "last"
    return Stranger(f"the disk has no known signature, but its {where} MiB is not empty. {_CURE}")


def _too_large(found: Findings, wanted: Wanted) -> bool:
    return found.size > wanted.size_bytes + ROUNDING_BYTES and found.given != wanted.size_bytes
