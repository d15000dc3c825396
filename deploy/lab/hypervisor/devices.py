"""
The devices of one machine's disks: what it has attached appears in its /dev, and goes from there.

All of a batch is judged by one look at the machine: sixty disks cost little more than one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.hypervisor.disks import Disks, StorageRefusal
from deploy.lab.kernel import loop_devices, processes
from deploy.lab.names import LabError

_MOST_DISKS = 64

Refusals = dict[str, str]
"""Disk -> why it was refused; a disk that is not in it is done."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A device that nobody else can mount while we hold it, and that has no name in the machine's /dev any more."""

    disk: str
    number: int
    handle: int


@dataclass(frozen=True, slots=True)
class Devices:
    name: str  # of the machine, for people
    vm: str
    dev: Path  # what the machine has as /dev
    disks: Disks

    def loops(self) -> dict[Path, int]:
        """Image -> loop device of all disks of this machine that have one."""
        return loop_devices.backed_under(self.disks.folder(self.vm))

    # -- attach ----------------------------------------------------------------------------------------------------

    def attach(self, disks: Sequence[str], *, running: bool) -> Refusals:
        """On a machine that is off the devices appear when it starts."""
        refusals: Refusals = {}
        for disk in disks:
            try:
                if self._take(disk) and running:
                    self._connect_or_give_back(disk)
            except (StorageRefusal, LabError) as error:
                refusals[disk] = str(error)
        return refusals

    def _take(self, disk: str) -> bool:
        """Whether the disk is new here. Raises StorageRefusal when another machine has it."""
        held = self.disks.of(self.vm)
        if disk in held:
            return False
        if len(held) >= _MOST_DISKS:
            raise StorageRefusal(f"{self.name} has {_MOST_DISKS} disks, which is the most it can have.")
        with suppress(FileNotFoundError):
            self.disks.give(disk, self.vm)
            return True
        holder = self.disks.holder(disk)
        raise StorageRefusal(f"Disk {disk} is attached to {holder or 'another machine at this moment'}.")

    def _connect_or_give_back(self, disk: str) -> None:
        try:
            self._show(disk, loop_devices.attach(self.disks.image(disk, self.vm)))
        except LabError:
            self.disks.take(disk, self.vm)
            raise

    def connect_all(self) -> None:
        """Before a machine starts, and after a restart of the machine host: devices equal attachments."""
        known = self.loops()
        for disk in self.disks.of(self.vm):
            image = self.disks.image(disk, self.vm)
            self._show(disk, known[image] if image in known else loop_devices.attach(image))

    def grown(self, image: Path) -> None:
        """The image of one of this machine's disks is larger than it was."""
        number = self.loops().get(image)
        if number is not None:
            loop_devices.measure(number)

    def _show(self, disk: str, number: int) -> None:
        with suppress(FileExistsError):
            os.mknod(self.dev / f"loop{number}", 0o660 | 0o060000, loop_devices.device_number(number))
        self._link(disk).unlink(missing_ok=True)
        self._link(disk).symlink_to(f"../../loop{number}")

    def _hide(self, disk: str, number: int) -> None:
        self._link(disk).unlink(missing_ok=True)
        (self.dev / f"loop{number}").unlink(missing_ok=True)

    def _link(self, disk: str) -> Path:
        return self.dev / f"disk/by-id/reberth-lab-{disk}"

    # -- detach ----------------------------------------------------------------------------------------------------

    def detach(self, disks: Sequence[str], init: int | None) -> Refusals:
        """
        Refused is what the running machine uses: we share its kernel and cannot cut its I/O.

        Claimed and hidden first, looked at then: so nobody can begin to use a disk between the look and its end.
        """
        held, known = set(self.disks.of(self.vm)), self.loops()
        mine = [disk for disk in dict.fromkeys(disks) if disk in held]
        refusals: Refusals = {}
        claimed: list[_Claimed] = []
        for disk in mine:
            number = known.get(self.disks.image(disk, self.vm))
            if number is None:
                self.disks.take(disk, self.vm)
            elif (handle := loop_devices.claim(number)) is None:
                refusals[disk] = f"{self.name} has disk {disk} mounted: unmount it or power the machine off."
            else:
                self._hide(disk, number)
                claimed.append(_Claimed(disk, number, handle))
        users = loop_devices.users(processes.members(init)) if init is not None and claimed else {}
        for each in claimed:
            try:
                self._let_go(each, users.get(loop_devices.device_number(each.number)))
            except (StorageRefusal, LabError) as error:
                refusals[each.disk] = str(error)
        return refusals

    def _let_go(self, claimed: _Claimed, user: int | None) -> None:
        if user is not None:
            os.close(claimed.handle)
            self._show(claimed.disk, claimed.number)
            raise StorageRefusal(f"{self.name} has disk {claimed.disk} open (process {user}).")
        loop_devices.free(claimed.number, self.disks.image(claimed.disk, self.vm), claimed.handle)
        self.disks.take(claimed.disk, self.vm)

    def release_all(self) -> None:
        """Of a machine that is off: its attachments stay, no device of them is left. Raises LabError."""
        for image, number in self.loops().items():
            loop_devices.free(number, image)
