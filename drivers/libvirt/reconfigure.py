"""
Attach and detach on one VM. Blocking: runs in a thread.

The order is what makes them safe against a controller that was replaced and does not know it: stamp the epoch first,
read again, then act, then read back. What is read back decides, also when libvirt said that it failed, or nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Outcome, Refused
from drivers.libvirt.client import Host
from drivers.libvirt.decide import changeable, stays
from drivers.libvirt.devices import Place, disk_xml, places
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.files.live import is_snapshot
from drivers.libvirt.inventory import OURS, HeldDisk, Seat
from drivers.libvirt.looking.moved import moved, said, strays
from drivers.libvirt.looking.pools import Pools
from drivers.libvirt.settings import Settings
from drivers.shared.faults import CallError

_CLEAR = {Kind.BUSY, Kind.DENIED, Kind.STATE, Kind.NO_DOMAIN}  # the detach was not begun
_POLL = 0.05


class Change:
    def __init__(self, host: Host, pools: Pools, epoch: Epoch, settings: Settings) -> None:
        self._host = host
        self._pools = pools
        self._epoch = epoch
        self._settings = settings

    def attach(self, seat: Seat, names: Mapping[DiskId, str]) -> Mapping[DiskId, Outcome]:
        """``names``: by which QEMU opens each disk."""
        disks = list(names)
        try:
            seat = self._host.seat(seat.vm)
            given = places(seat, len(disks))
            ready = self._stamped(seat, given)
        except CallError as error:
            return dict.fromkeys(disks, _refused(error))
        if isinstance(ready, Refused):
            return dict.fromkeys(disks, ready)
        failed = {
            disk: self._attach_one(ready, disk, names[disk], place) for disk, place in zip(disks, given, strict=False)
        }
        return self._attached(ready, disks, failed)

    def restamp(self, seat: Seat, disks: Sequence[DiskId]) -> Mapping[DiskId, Outcome]:
        return dict.fromkeys(disks, self._restamp(seat))

    def _restamp(self, seat: Seat) -> Outcome:
        try:
            ready = self._stamped(self._host.seat(seat.vm), ())
        except CallError as error:
            return _refused(error) if isinstance(error, Fault) else InDoubt(str(error))
        return ready if isinstance(ready, Refused) else Done()

    def _stamped(self, seat: Seat, given: Sequence[Place]) -> Seat | Refused:
        if (why := changeable([seat], self._epoch)) is not None:
            return Refused(why)
        unit = given[-1].unit if given else seat.last_unit
        if unit != seat.last_unit or any(max(side.stamps, default=None) != self._epoch for side in seat.sides):
            self._host.stamp(seat, self._epoch, unit)
            seat = self._host.seat(seat.vm)
        why = changeable([seat], self._epoch)
        return seat if why is None else Refused(why)

    def _attach_one(self, seat: Seat, disk: DiskId, name: str, place: Place) -> CallError | None:
        alias = f"{OURS}{self._epoch}-{secrets.token_hex(6)}"
        try:
            self._host.attach(seat, disk_xml(disk, name, place, alias, self._settings))
        except CallError as error:
            return error
        return None

    def _attached(
        self, seat: Seat, disks: Sequence[DiskId], failed: Mapping[DiskId, CallError | None]
    ) -> Mapping[DiskId, Outcome]:
        try:
            after = self._host.seat(seat.vm)
        except CallError as error:
            return dict.fromkeys(disks, InDoubt(str(error)))
        held = after.holds(self._pools)
        outcomes: dict[DiskId, Outcome] = {}
        full = Fault(Kind.OTHER, f"VM {seat.name} has no free place for another disk")
        for disk in disks:
            wrong = failed.get(disk, full)
            if len(held.get(disk, ())) == len(after.sides):
                outcomes[disk] = Done()
            elif disk in held or not isinstance(wrong, Fault):
                outcomes[disk] = InDoubt(f"{disk} is not surely on {seat.name}: {wrong or 'it was there and is not'}")
            else:
                cure = f"Move a volume away from VM {seat.name}, or drain its node." if wrong is full else None
                outcomes[disk] = replace(_refused(wrong), cure=cure)
        return outcomes

    def detach(self, seat: Seat, disks: Sequence[DiskId]) -> Mapping[DiskId, Outcome]:
        try:
            ready = self._stamped(self._host.seat(seat.vm), ())
        except CallError as error:
            return dict.fromkeys(disks, _refused(error))
        if isinstance(ready, Refused):
            return dict.fromkeys(disks, ready)
        if (why := stays([ready])) is not None:  # since the look
            return dict.fromkeys(disks, Refused(why))
        away = said(moved(strays([ready]), disks))  # since the look, too
        failed = {disk: self._detach_one(ready, disk) for disk in disks if disk not in away}
        return {disk: Refused(why) for disk, why in away.items()} | dict(self._gone(ready, failed))

    def _detach_one(self, seat: Seat, disk: DiskId) -> CallError | None:
        live = _device(seat.live.disks if seat.live else (), disk)
        kept = _device(seat.kept.disks if seat.kept else (), disk)
        try:
            if live is not None:
                self._end_copy(seat.vm, live.target)
            self._host.detach(seat, live, kept)
        except CallError as error:
            return error
        return None

    def _end_copy(self, vm: VmId, target: str) -> None:
        """QEMU lets go of no disk that it copies: a snapshot of ours that is being made is given up."""
        deadline = time.monotonic() + self._settings.detach_wait
        if not is_snapshot(self._host.backups(vm).get(target, "")):
            return
        self._host.end_backup(vm)
        while target in self._host.backups(vm) and time.monotonic() < deadline:
            time.sleep(_POLL)

    def _gone(self, seat: Seat, failed: Mapping[DiskId, CallError | None]) -> Mapping[DiskId, Outcome]:
        try:
            now, held = self._let_go(seat.vm, failed)
        except CallError as error:
            return dict.fromkeys(failed, InDoubt(str(error)))
        if why := now.unread or stays([now]):  # saved, perhaps, while it was done
            return dict.fromkeys(failed, InDoubt(why))
        return {disk: self._judged(seat, error, disk in held) for disk, error in failed.items()}

    def _let_go(self, vm: VmId, failed: Mapping[DiskId, CallError | None]) -> tuple[Seat, Collection[DiskId]]:
        """Waits until QEMU has let go of what it was asked for, and has closed it; and what the VM has then."""
        asked = {disk for disk, error in failed.items() if error is None}
        deadline = time.monotonic() + self._settings.detach_wait
        while True:
            now = self._host.seat(vm)
            held = {*now.holds(self._pools), *moved(strays([now]), failed)}  # ours, and these on another file
            if stays([now]) or not (now.unread or asked & held) or time.monotonic() > deadline:
                return now, held
            time.sleep(_POLL)

    def _judged(self, seat: Seat, error: CallError | None, there: bool) -> Outcome:
        if not there:
            return Done()
        if isinstance(error, Fault) and error.kind in _CLEAR:
            return _refused(error)
        return InDoubt(f"VM {seat.name} still has it: {error or 'QEMU has not let go of it yet'}")


def _device(disks: Sequence[HeldDisk], disk: DiskId) -> HeldDisk | None:
    return next((each for each in disks if each.files and each.files[0] == disk), None)


def _refused(error: CallError) -> Refused:
    """For what came before the act itself, or is libvirt's clear no. A stamp alone changes nothing for anybody."""
    return Refused(str(error), error.pause if isinstance(error, Fault) else None)
