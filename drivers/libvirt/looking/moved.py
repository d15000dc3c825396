"""
Disks of ours that their VM has on another file by now. Pure.

A person may move a disk while its VM runs (`virsh blockcopy --pivot`, `blockpull` of an overlay, a migration with its
storage). The file that is left behind is old, and looks free. But the names by which guests find a disk are made from
its path when it is attached, and stay with the device: by them it is known as this disk, whatever file it is on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.model import DiskId
from drivers.libvirt.devices import serial, wwn
from drivers.libvirt.inventory import HeldDisk, Seat
from drivers.libvirt.looking.pools import IMAGES, Pools

_SERIAL = re.compile(r"rb[0-9a-f]{18}")


@dataclass(frozen=True, slots=True)
class Stray:
    """A device that was attached as a disk of ours, and is on none of its files."""

    seat: Seat
    device: HeldDisk

    @property
    def marks(self) -> frozenset[str]:
        return _borne(self.device)

    @property
    def place(self) -> str:
        """On what it is now."""
        return self.device.files[0] if self.device.files else "something that is no file"


def strays(seats: Iterable[Seat]) -> tuple[Stray, ...]:
    """A VM that was cloned from one of ours brought the names of its devices along: they say nothing."""
    return tuple(
        Stray(seat, device)
        for seat in seats
        if not seat.cloned
        for side in seat.all_sides
        for device in side.disks
        if _astray(device)
    )


def _astray(device: HeldDisk) -> bool:
    if not device.by_us and not _SERIAL.fullmatch(device.serial or ""):
        return False
    marks = _borne(device)
    return bool(marks) and not any(marks & marks_of(DiskId(file)) for file in device.chain)


def moved(found: Iterable[Stray], disks: Iterable[DiskId]) -> dict[DiskId, tuple[Stray, ...]]:
    """Which of these disks are on another file, and where."""
    known = tuple(found)
    borne = {disk: tuple(each for each in known if each.marks & marks_of(disk)) for disk in disks} if known else {}
    return {disk: there for disk, there in borne.items() if there}


def named(found: Sequence[Stray], disks: Iterable[DiskId]) -> dict[str, DiskId]:
    """By the marks of strays: which of these disks each of them is."""
    wanted = frozenset[str]().union(*(stray.marks for stray in found))
    return {mark: disk for disk in disks for mark in marks_of(disk) & wanted}


def guesses(found: Iterable[Stray], pools: Pools) -> list[DiskId]:
    """What they may be by the names of their files: one that was moved to another folder keeps its name, mostly."""
    names = {file.rsplit("/", 1)[-1] for stray in found for file in stray.device.files}
    return [DiskId(f"{pool.path}/{name}") for pool in pools.usable for name in sorted(names)]


def marks_of(disk: DiskId) -> frozenset[str]:
    return frozenset({serial(disk), wwn(disk)})


def _borne(device: HeldDisk) -> frozenset[str]:
    found = (device.serial, (device.wwn or "").removeprefix("0x").lower())
    return frozenset(each for each in found if each)


def said(found: Mapping[DiskId, Sequence[Stray]]) -> dict[DiskId, str]:
    """What is wrong, and how an administrator puts it right without a loss."""
    return {disk: _said(disk, min(there, key=lambda each: each.seat.live is None)) for disk, there in found.items()}


def _said(disk: DiskId, stray: Stray) -> str:
    back = _back(disk, stray.seat.name, stray.device.target)
    how = f"copy it back: {back}" if stray.seat.live is not None else f"start the VM, and copy it back: {back}"
    return (
        f"{disk} is on VM {stray.seat.name} as {stray.place}: somebody moved it there (virsh blockcopy, blockpull, a "
        f"migration with its storage), and what {disk} holds is old; {how}"
    )


def _back(disk: DiskId, vm: str, target: str) -> str:
    options = "--wait --pivot --transient-job --reuse-external"
    if disk.startswith(IMAGES):  # which no path names
        return f"`virsh blockcopy {vm} {target} --xml FILE {options}`, with a FILE as docs/ceph.md has it"
    form = disk.rpartition(".")[2]
    return (
        f"`virsh blockcopy {vm} {target} {disk} --format {form} {options}` (that file gone: without --reuse-external)"
    )


def unnamed(stray: Stray, gap: str) -> str:
    return (
        f"VM {stray.seat.name} has a disk of Reberth's as {stray.place}, where somebody moved it, and whose it is "
        f"cannot be said now: {gap}"
    )
