"""
Reading what is on a disk, making the file system, checking it. The decision is `blank.judge`; this carries it out.

Facts: ``blkid -p`` ends 0 (found), 2 (nothing), 8 (ambivalent); 2 also when it cannot read, so both ends are read here
too. e2fsck's code is a bit mask: 1 is "corrected", 2 and more is not fine (e2fsck(8)). xfs keeps ``sb_inprogress`` at
byte 126 until mkfs is done, and mounting replays its log. mke2fs writes its superblock last.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import struct
from collections.abc import Callable

from controller.gate.kernel import growth_mark as mark
from controller.gate.kernel.connecting.nameplate import given_size
from controller.gate.kernel.device import Device, busy, drop_cache, in_use, is_zero, write_protected
from controller.gate.kernel.disk_check import (
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
from controller.gate.kernel.subprocesses import Ended, in_thread, run
from controller.volumes.mkfs_options import arguments

TAIL_MAGIC = b"REBERTH FORMATTING "
TAIL_LABEL_BYTES = 4096
XFS_IN_PROGRESS_AT = 126
SUPERBLOCKS = 2048
EXT_AT, EXT_MAGIC, EXT_64BIT = 1024, b"\x53\xef", 0x80
LARGEST = 1 << 62  # beyond it no offset can be read
FSTYPES = ("ext4", "xfs")
REFLINK_SINCE = (4, 16)
E2FSCK_LEFT = 4  # errors that -p does not mend by itself
WRITE_PROTECTED = (
    "{} is write-protected on this node, by the storage or the hypervisor: nothing can be checked or mounted there (a "
    "volume that is only read has to be checked, too). Mend that; `blockdev --getro` shows it"
)
ALONE_SECONDS = 0.5
NOT_ALONE = (
    "waiting for a program that has {}, most likely a check or the making of its file system that a gate before this "
    "one began (`lsblk` and `ps` tell which)"
)

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
    head_zero, tail_zero, tail, head, given = raw
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
        given=given,
        xfs_in_progress=head[:4] == b"XFSB" and head[XFS_IN_PROGRESS_AT] != 0,
    )


def _ends(device: Device) -> tuple[bool, bool, str | None, bytes, int | None]:
    if not in_use(device.number):  # else this kernel's own cache is the truth
        drop_cache(device)
    start = max(0, device.size - TAIL_BYTES)
    head = os.pread(device.fd, 512, 0)
    if len(head) < 512:
        raise OSError(errno.EIO, "the first sector cannot be read")
    head_zero = is_zero(device, 0, min(HEAD_BYTES, device.size))
    given, end = given_size(device.fd, device.size)
    tail_zero = is_zero(device, start, end - start)
    # On a disk that has grown since, and was not mounted yet, it is still where the file system ends.
    tail = label_at(device.fd, start) or label_at(device.fd, size_of(device.fd))
    return head_zero, tail_zero, tail, head, given


def label_at(fd: int, offset: int) -> str | None:
    """The UUID in the label that begins there. Raises OSError."""
    label = os.pread(fd, TAIL_LABEL_BYTES, offset)
    return label[len(TAIL_MAGIC) :].split(b"\n")[0].decode("ascii", "replace") if label.startswith(TAIL_MAGIC) else None


def size_of(fd: int) -> int:
    """
    Bytes of the file system on a disk, as its superblock says; 0 for none, and where no disk has so many. Of an xfs
    that is mounted and has grown it may be an old number. Raises OSError.
    """
    said = _said_size(fd)
    return said if said <= LARGEST else 0


def _said_size(fd: int) -> int:
    head = os.pread(fd, SUPERBLOCKS, 0)
    if head[:4] == b"XFSB":
        block, count = struct.unpack(">IQ", head[4:16])
        return int(block * count)
    if head[EXT_AT + 56 : EXT_AT + 58] == EXT_MAGIC:
        low, shift = (struct.unpack("<I", head[EXT_AT + at : EXT_AT + at + 4])[0] for at in (4, 24))
        features, high = (struct.unpack("<I", head[EXT_AT + at : EXT_AT + at + 4])[0] for at in (96, 336))
        blocks = int(low) + (int(high) << 32 if features & EXT_64BIT else 0)
        return blocks << (10 + min(int(shift), 6))
    return 0


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
    if write_protected(device):
        raise DiskRefused(WRITE_PROTECTED.format(device.path))
    await _alone(device, say, proceed)
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


async def _alone(device: Device, say: Say, proceed: Proceed) -> None:
    """
    No second check beside one that outlived its gate, and no mount behind one that may yet be cut off half way.

    A file system that has the disk is another matter: a container of before, whose mount the next one shares.
    """
    if not await in_thread(lambda: busy(device.number)):
        return
    say(NOT_ALONE.format(device.path))
    while await in_thread(lambda: busy(device.number)):
        proceed()
        await asyncio.sleep(ALONE_SECONDS)


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

    The next node may run an older kernel than this one, so what came late stays out: xfs' bigtime and inobtcount (Linux
    5.10) and nrext64 (5.19), ext4's metadata_csum_seed and orphan_file (5.15). xfs' reflink is in if this kernel counts
    it as stable.
    """
    usable = device.size - TAIL_BYTES
    said = arguments(wanted.fstype, wanted.mkfs_options)
    if wanted.fstype == "xfs":
        force = ("-f",) if resume else ()  # without it mkfs.xfs refuses a disk with a signature: a second look for us
        size = usable - usable % 4096
        meta = f"uuid={wanted.fs_uuid},bigtime=0,inobtcount=0,reflink={int(_kernel() >= REFLINK_SINCE)}"
        old = ("-m", meta, "-i", "nrext64=0", *said)
        return ("mkfs.xfs", "-q", *force, "-K", *old, "-d", f"size={size}", device.path)
    options = ("-E", "nodiscard,lazy_itable_init=1", "-O", "^metadata_csum_seed,^orphan_file", *said)
    kilobytes = f"{usable // 4096 * 4}k"
    return ("mkfs.ext4", "-q", "-e", "remount-ro", *options, "-U", wanted.fs_uuid, device.path, kilobytes)


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def _label(device: Device, uuid: str) -> None:
    """So that a node that finds the remains of this mkfs, or a copy of this disk, knows whose it is."""
    write_label(device.path, uuid, device.size - TAIL_BYTES)


def write_label(path: str, uuid: str, offset: int, *, mounted: bool = False) -> None:
    """Where nothing is mounted the disk counts as in use meanwhile, as by a program. Raises OSError."""
    text = TAIL_MAGIC + uuid.lower().encode("ascii") + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (0 if mounted else os.O_EXCL))
    try:
        os.pwrite(fd, text.ljust(TAIL_LABEL_BYTES, b"\0"), offset)
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
    if ended.code == E2FSCK_LEFT and await _was_growing(device):
        say(f"finishing what a growth of {device.path} that was cut off left (e2fsck -y): {ended.said}")
        ended = await run("e2fsck", "-f", "-y", device.path)
    if ended.code not in {0, 1}:
        raise DiskRefused(
            f"e2fsck -p ended with {ended.code} on {device.path}: {ended.said}. Check the disk by hand with e2fsck"
        )
    say(f"e2fsck: {ended.said}")  # says whether it replayed the journal: a planned move must not need it


async def _was_growing(device: Device) -> bool:
    try:
        return await in_thread(lambda: mark.is_marked(device))
    except OSError as error:
        raise DiskRefused(f"{device.path} cannot be read: {error}; check the storage and the kernel's log") from error
