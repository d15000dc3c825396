"""
Reading what is on a disk, making the file system, checking it. The decision is `blank.judge`; this carries it out.

Facts: ``blkid -p`` ends 0 (found), 2 (nothing), 8 (ambivalent); 2 also when it cannot read, so both ends are read here
too. e2fsck's code is a bit mask: 1 is "corrected", 2 and more is not fine (e2fsck(8)). xfs keeps ``sb_inprogress`` at
byte 126 until mkfs is done, and mounting replays its log. mke2fs writes its superblock last.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable

from controller.gate.blank import (
    HEAD_BYTES,
    TAIL_BYTES,
    Findings,
    Format,
    Label,
    Ours,
    Signature,
    Stranger,
    Wanted,
    judge,
)
from controller.gate.device import Device, drop_cache, in_use, is_zero
from controller.gate.programs import Ended, in_thread, run

TAIL_MAGIC = b"REBERTH FORMATTING "
TAIL_LABEL_BYTES = 4096
XFS_IN_PROGRESS_AT = 126
FSTYPES = ("ext4", "xfs")

Say = Callable[[str], None]
Proceed = Callable[[], None]


class DiskRefused(Exception):
    """The disk may not be used. The text says what was found and what to do."""


async def inspect(device: Device) -> Findings:
    """Read what is on the disk. Raises DiskRefused if it cannot be read."""
    try:
        raw = await in_thread(lambda: _ends(device))
    except OSError as error:
        raise DiskRefused(f"{device.path} cannot be read: {error}; check the storage and the kernel's log") from error
    head_zero, tail_zero, tail, head = raw
    blkid = await run("blkid", "-p", "-o", "export", device.path)
    if blkid.code not in {0, 2, 8}:
        raise DiskRefused(f"blkid cannot tell what is on {device.path}: {blkid.said}")
    wipefs = await run("wipefs", "--json", device.path)
    if wipefs.code != 0:
        raise DiskRefused(f"wipefs cannot tell what is on {device.path}: {wipefs.said}")
    signatures = (*_from_wipefs(wipefs), *_from_blkid(blkid))
    return Findings(
        size=device.size,
        signatures=signatures,
        ambivalent=blkid.code == 8,
        head_zero=head_zero,
        tail_zero=tail_zero,
        tail=tail,
        xfs_in_progress=head[:4] == b"XFSB" and head[XFS_IN_PROGRESS_AT] != 0,
    )


def _ends(device: Device) -> tuple[bool, bool, str | None, bytes]:
    if not in_use(device.number):  # else this kernel's own cache is the truth
        drop_cache(device)
    start = max(0, device.size - TAIL_BYTES)
    head = os.pread(device.fd, 512, 0)
    if len(head) < 512:
        raise OSError(errno.EIO, "the first sector cannot be read")
    head_zero = is_zero(device, 0, min(HEAD_BYTES, device.size))
    tail_zero = is_zero(device, start, device.size - start)
    label = os.pread(device.fd, TAIL_LABEL_BYTES, start)
    tail = label[len(TAIL_MAGIC) :].split(b"\n")[0].decode("ascii", "replace") if label.startswith(TAIL_MAGIC) else None
    return head_zero, tail_zero, tail, head


def _from_blkid(ended: Ended) -> tuple[Signature, ...]:
    """One file system and, or, one partition table, as KEY=VALUE lines."""
    values = dict(line.split("=", 1) for line in ended.out.splitlines() if "=" in line)
    found = []
    if "TYPE" in values:
        found.append(Signature(values["TYPE"], values.get("UUID", "")))
    if "PTTYPE" in values:
        found.append(Signature(f"partition table {values['PTTYPE']}", values.get("PTUUID", "")))
    if ended.code == 0 and not found:
        found.append(Signature("unknown", values.get("UUID", "")))
    return tuple(found)


def _from_wipefs(ended: Ended) -> tuple[Signature, ...]:
    if not ended.out.strip():
        return ()
    listed = json.loads(ended.out).get("signatures") or []
    return tuple(
        Signature(str(one.get("type") or "unknown"), str(one.get("uuid") or ""), int(str(one.get("offset") or "0"), 0))
        for one in listed
    )


async def prepare(device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None:
    """
    After this the volume's own file system is surely on the disk and checked.

    ``say`` is told what is going on; ``proceed`` raises if the work shall stop, and is asked before every step that
    writes. Raises DiskRefused.
    """
    if wanted.fstype not in FSTYPES:
        raise DiskRefused(f"the file system {wanted.fstype!r} is not known to this gate; it knows {', '.join(FSTYPES)}")
    say(f"reading what is on {device.path}")
    judgement = judge(await inspect(device), wanted)
    if isinstance(judgement, Stranger):
        raise DiskRefused(f"{device.path}: {judgement.why}")
    if isinstance(judgement, Format):
        proceed()
        say(f"making {wanted.fstype} on {device.path}")
        await _format(device, wanted, resume=judgement.resume)
        return
    proceed()
    await _check(device, wanted.fstype, say)
    if isinstance(judgement, Label):
        proceed()
        say(f"labelling {device.path} as a copy of its own")
        await _take_over(device, wanted)


async def _take_over(device: Device, wanted: Wanted) -> None:
    """The label is one write within a sector, the same each time: cut off anywhere, it is done again."""
    if await in_thread(lambda: in_use(device.number)):
        raise DiskRefused(f"{device.path} is in use by something else on this node; find it with lsblk")
    await in_thread(lambda: _label(device, wanted.label))
    final = Wanted(wanted.fstype, wanted.fs_uuid, wanted.size_bytes, may_format=False, label=wanted.label)
    taken = judge(await inspect(device), final)
    if not isinstance(taken, Ours):
        why = taken.why if isinstance(taken, Stranger) else "it cannot be read"
        raise DiskRefused(f"{device.path} was labelled, but reads back wrong: {why}")


async def _format(device: Device, wanted: Wanted, *, resume: bool) -> None:
    if await in_thread(lambda: in_use(device.number)):
        raise DiskRefused(f"{device.path} is in use by something else on this node; find it with lsblk")
    await in_thread(lambda: _label(device, wanted.fs_uuid))
    ended = await run(*mkfs_command(device, wanted, resume=resume))
    if ended.code != 0:
        raise DiskRefused(f"{wanted.fstype} could not be made on {device.path}: {ended.said}")
    await in_thread(lambda: _flush(device.path))
    made = judge(await inspect(device), Wanted(wanted.fstype, wanted.fs_uuid, wanted.size_bytes, may_format=False))
    if isinstance(made, Stranger):
        raise DiskRefused(f"{wanted.fstype} was made on {device.path}, but reads back wrong: {made.why}")


def mkfs_command(device: Device, wanted: Wanted, *, resume: bool) -> tuple[str, ...]:
    """
    ext4 stops on errors rather than write on; its inode tables are zeroed later (the disk is blank), its journal now.
    No discard: on thick storage it takes minutes, and a blank disk has nothing to discard.
    """
    usable = device.size - TAIL_BYTES
    if wanted.fstype == "xfs":
        force = ("-f",) if resume else ()  # without it mkfs.xfs refuses a disk with a signature: a second look for us
        size = usable - usable % 4096
        return ("mkfs.xfs", "-q", *force, "-K", "-m", f"uuid={wanted.fs_uuid}", "-d", f"size={size}", device.path)
    options = "nodiscard,lazy_itable_init=1"
    kilobytes = f"{usable // 4096 * 4}k"
    return ("mkfs.ext4", "-q", "-e", "remount-ro", "-E", options, "-U", wanted.fs_uuid, device.path, kilobytes)


def _label(device: Device, uuid: str) -> None:
    """So that a node that finds the remains of this mkfs, or a copy of this disk, knows whose it is."""
    text = TAIL_MAGIC + uuid.lower().encode("ascii") + b"\n"
    fd = os.open(device.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, text.ljust(TAIL_LABEL_BYTES, b"\0"), device.size - TAIL_BYTES)
        os.fsync(fd)
    finally:
        os.close(fd)


def _flush(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


async def _check(device: Device, fstype: str, say: Say) -> None:
    if fstype != "ext4" or await in_thread(lambda: in_use(device.number)):
        return
    say(f"checking {device.path} (e2fsck -p)")
    ended = await run("e2fsck", "-p", device.path)
    if ended.code not in {0, 1}:
        raise DiskRefused(
            f"e2fsck -p ended with {ended.code} on {device.path}: {ended.said}. Check the disk by hand with e2fsck"
        )
    say(f"e2fsck: {ended.said}")  # says whether it replayed the journal: a planned move must not need it
