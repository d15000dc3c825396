"""
One Mount, from asking for a grant to the directory that Docker is given. Runs on its own: the callers that wait for it
may give up and others join; it ends when one of them was given it, when that cannot be done, or when nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from controller.gate.jobs import GateError, Interrupted
from controller.gate.kernel.device import Device, NotABlockDevice
from controller.gate.kernel.disk_check import Wanted
from controller.gate.kernel.filesystem import DiskRefused
from controller.gate.kernel.handout import Nameplate, Owner
from controller.gate.kernel.host import Host
from controller.gate.kernel.mount_table import MountFailed
from controller.gate.kernel.strays import LOST
from controller.gate.kernel.subprocesses import ProgramMissing, Stalled
from controller.gate.volume import Volume
from controller.protocol import messages
from controller.protocol.client import ControllerRefused, ControllerUnreachable, pause
from controller.protocol.machine import Machine, MachineUnknown

log = structlog.get_logger()

POLL_SECONDS = 0.05
ASK_AGAIN_SECONDS = 0.5
RESCUE_AFTER = 3.0  # the storage has attached it, and udev had its time
RESCUE_EVERY = 15.0
# Two rescues are behind it then. Swarm avoids a node after 5 failures in 5 minutes, so each has to be quicker than a
# Mount's patience: else one sick node keeps the service for ever.
APPEAR_SECONDS = 30.0


class GrantSource(Protocol):
    async def mount(self, request: messages.MountRequest) -> messages.MountGrant | messages.Pending: ...


class Revoked(Exception):
    """The grant was taken back while it was being used."""


class NeverAppeared(Exception):
    """The storage says that the disk is attached, and this node does not show it."""


DISK_TROUBLE = (DiskRefused, MountFailed, NeverAppeared, NotABlockDevice, ProgramMissing, Stalled)


@dataclass(frozen=True, slots=True)
class MountJob:
    """
    Mounts ``volume`` for one of those who wait.

    ``told`` returns when the controller has answered a report of all that was so when it was called. ``strays`` are
    disks that somebody here has, and it is not known who: a container of before may be in there.
    """

    volume: Volume
    host: Host
    source: GrantSource
    machine: Callable[[], Machine]
    told: Callable[[], Awaitable[None]]
    strays: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Raises GateError, Interrupted (nobody waits), StateUnwritable."""
        while True:
            grant = await self._grant()
            async with self.volume.lock:
                if self.volume.spent(grant):
                    continue
                try:
                    await self._use(grant)
                except Revoked:
                    self.volume.wait_for("the controller took its grant back; asking for another")
                    continue
                return

    async def _grant(self) -> messages.MountGrant:
        """Ask until there is a grant that is not spent."""
        while True:
            if not self.volume.waiters.ids:
                raise Interrupted
            try:
                async with self.volume.waiters.interruptible():
                    grant = await self._ask()
                    if grant is not None:
                        return grant
            except Interrupted:
                continue

    async def _ask(self) -> messages.MountGrant | None:
        name = self.volume.name
        self.volume.wait_for(self.volume.reason or "asking the controller")
        try:
            machine = self.machine()
            answer = await self.source.mount(messages.MountRequest(volume=name, vm=machine.vm, boot=machine.boot))
        except ControllerUnreachable as error:
            await self._not_yet(str(error))
            return None
        except MachineUnknown as error:  # waiting does not cure it
            raise GateError(f"volume {name}: it is not known which VM this node is: {error}") from error
        except ControllerRefused as error:
            raise GateError(error.why) from error
        if isinstance(answer, messages.Pending):
            self.volume.wait_for(answer.why)
            return None
        spent = self.volume.spent(answer)
        if spent is None:
            return answer
        await self._not_yet(spent)
        return None

    async def _not_yet(self, why: str) -> None:
        self.volume.wait_for(why)
        await pause(ASK_AGAIN_SECONDS)

    async def _use(self, grant: messages.MountGrant) -> None:
        """Under the volume's lock. Afterwards it is mounted and counted, or the grant is spent."""
        try:
            await self.volume.accept(grant)
            if self.volume.mount is None:
                await self._mount(grant)
            await self._hand_out(grant)
        except DISK_TROUBLE as error:
            self.volume.fail(str(error))
            raise GateError(f"volume {self.volume.name}: {error}") from error
        finally:
            await self._settle()

    async def _mount(self, grant: messages.MountGrant) -> None:
        volume = self.volume
        target = volume.target
        device = await self._device(grant)
        try:
            if device.number in self.strays and await self.host.in_use(device.number):
                raise MountFailed(LOST.format(device.number))
            wanted = Wanted(
                grant.fstype,
                grant.fs_uuid,
                grant.size_bytes,
                grant.may_format,
                grant.label,
                grant.source_label,
                grant.mkfs_options,
            )
            await volume.begin_mount(device.number)  # a check or mkfs writes to it, and may outlive this process
            with self.host.watched(device, volume.step, volume.suffer) as step:
                await self.host.prepare(device, wanted, step, lambda: self._proceed(grant))
            if grant.may_format or grant.source_label:
                await self._tell_formatted(grant)
            self._proceed(grant)
            options = volume.stored.mount_options
            with self.host.watched(device, volume.step, volume.suffer) as step:  # an xfs replays its journal
                step(f"mounting {device.path}")
                await self.host.mount(device.path, grant.fstype, target, twin=wanted.copied, options=options)
        finally:
            await self.host.close(device)
        self.volume.observe(self.host.mounted())
        if volume.mount is None or volume.mount.number != device.number:
            raise MountFailed(f"{device.path} was mounted, but the kernel's mount table does not show it at {target}")

    async def _device(self, grant: messages.MountGrant) -> Device:
        names = " or ".join(f"/dev/disk/by-id/{name}" for name in grant.by_id) or "(the controller gave no name)"
        self.volume.step(f"waiting for the disk to appear as {names}")
        clock = asyncio.get_running_loop().time
        rescue_at, ends = clock() + RESCUE_AFTER, clock() + APPEAR_SECONDS
        seen = "does not show it"
        while True:
            self._proceed(grant)
            try:
                due = clock() >= rescue_at
                rescue_at = clock() + RESCUE_EVERY if due else rescue_at
                device = await self._look(grant.by_id, due=due, last=clock() >= ends)
            except Stalled as error:
                seen = f"gets no answer from it ({error})"
                self.volume.step(f"the disk {names} does not answer: {error}")
                device = None
            except OSError as error:
                seen = f"cannot open it ({error})"
                self.volume.step(f"the disk {names} cannot be opened: {error}")
                device = None
            if device is not None:
                return device
            if clock() >= ends:
                raise NeverAppeared(
                    f"the storage has attached the disk, but this node {seen} as {names} after {APPEAR_SECONDS:.0f} s. "
                    "Look at the node's udev and kernel log (on vSphere: disk.EnableUUID of its VM); Swarm takes "
                    "another node after some failures, or at once after `docker node update --availability drain` of "
                    "this one"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self, names: Sequence[str], *, due: bool, last: bool) -> Device | None:
        """A SCSI disk that answers no read may be a ghost of before it was taken: first it is looked for anew."""
        device = await self.host.find(names)
        if device is not None and (last or not device.silent):
            return device
        if device is not None:
            await self.host.close(device)
        if due:
            await self.host.rescue(names)
        return None

    async def _tell_formatted(self, grant: messages.MountGrant) -> None:
        """Before the first write of a container the record must know that this disk is never to be formatted again."""
        self.volume.format_done()
        self.volume.step("telling the controller that the disk has its file system")
        told = False
        while not told:
            self._proceed(grant)
            try:
                async with self.volume.waiters.interruptible():
                    await self.told()
                    told = True
            except Interrupted:
                continue

    async def _hand_out(self, grant: messages.MountGrant) -> None:
        """To one of those who wait, the first that came: a grant is for one container."""
        volume = self.volume
        if not (grant.read_only and self._is_read_only()):
            owner = Owner(grant.uid, grant.gid, grant.mode)
            await self.host.dress(volume.target, Nameplate(volume.name, grant.key, grant.serial), grant.epoch, owner)
        if grant.read_only and not self._is_read_only():
            await self._turn_read_only()
        self._proceed(grant)
        before, first = volume.stored.users, volume.waiters.ids[0]
        await volume.count(first, grant.serial)
        # From here to the return there is no await: a revocation comes before, and undoes the mount, or after.
        if volume.refuses(grant) or first not in volume.waiters.ids:
            await volume.keep_users(before)
            self._proceed(grant)
            return
        volume.recover()
        log.info("volume.mounted", volume=volume.name, epoch=grant.epoch, serial=grant.serial, task=grant.task)

    def _is_read_only(self) -> bool:
        return self.volume.mount is not None and self.volume.mount.read_only

    async def _turn_read_only(self) -> None:
        """
        After our own words are on it, and before anybody is handed it. It was checked and is writable until here: the
        journal of a file system that is only read must be replayed, too, and this VM alone has the disk.
        """
        await self.host.turn_read_only(self.volume.target)
        self.volume.observe(self.host.mounted())
        if not self._is_read_only():
            raise MountFailed(
                f"{self.volume.target} was to be read-only, but the kernel's mount table shows it writable"
            )

    async def _settle(self) -> None:
        """
        A mount that nobody was given is taken down again; without a mount the grant is spent. The kernel is asked, not
        what mount(8) said: it may fail after the kernel has mounted, and where this job is ended by its gate's end,
        mount(8) or a check goes on.
        """
        volume = self.volume
        volume.observe(self.host.mounted())
        if volume.mount is not None and volume.stored.unused:
            await self._take_down()
        elif volume.free:
            await self._let_go()

    async def _let_go(self) -> None:
        volume, number = self.volume, self.volume.stored.number
        try:
            used = number is not None and await self.host.in_use(number)
        except Stalled:
            used = True
        if used:
            volume.hold()  # looked at again until it is free: see `UnmountJob.check`
        else:
            await volume.settled(volume.problem)

    async def _take_down(self) -> None:
        try:
            await self.host.unmount(self.volume.target)
        except MountFailed as error:
            self.volume.fail(str(error))
        self.volume.observe(self.host.mounted())
        number = self.volume.stored.number
        if self.volume.mount is None and number is not None and not await self.host.in_use(number):
            await self.volume.settled()

    def _proceed(self, grant: messages.MountGrant) -> None:
        """Asked before each step, and right before and after mount(2)."""
        if self.volume.refuses(grant):
            raise Revoked
        if not self.volume.waiters.ids:
            raise Interrupted
