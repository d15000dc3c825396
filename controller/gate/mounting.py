"""
One Mount, from asking for a grant to the directory that Docker is given. Runs on its own: the callers that wait for it
may give up and others join; it ends when it is done, when it cannot be done, or when nobody waits any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from controller import wire
from controller.gate.blank import Wanted
from controller.gate.client import ControllerRefused, ControllerUnreachable, pause
from controller.gate.device import Device, NotABlockDevice
from controller.gate.filesystem import DiskRefused
from controller.gate.host import Host
from controller.gate.ledger import GateError, Interrupted, Ledger, Volume
from controller.gate.machine import Machine, MachineUnknown
from controller.gate.mounts import MountFailed, Nameplate
from controller.gate.programs import ProgramMissing

log = structlog.get_logger()

POLL_SECONDS = 0.05
ASK_AGAIN_SECONDS = 0.5


class GrantSource(Protocol):
    async def mount(self, request: wire.MountRequest) -> wire.MountGrant | wire.Pending: ...


class Revoked(Exception):
    """The grant was taken back while it was being used."""


class Mounting:
    """``acknowledged(version)`` returns when the controller has answered a report at least that new."""

    def __init__(
        self,
        ledger: Ledger,
        host: Host,
        source: GrantSource,
        machine: Callable[[], Machine],
        acknowledged: Callable[[int], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._host = host
        self._source = source
        self._machine = machine
        self._acknowledged = acknowledged

    async def run(self, volume: Volume) -> None:
        """Mount for all who wait. Raises GateError, Interrupted (nobody waits), StateUnwritable."""
        while True:
            grant = await self._grant(volume)
            async with volume.work:
                if self._ledger.spent(volume.name, grant):
                    continue
                try:
                    await self._use(volume, grant)
                except Revoked:
                    volume.reason = "the controller took its grant back; asking for another"
                    continue
                return

    async def _grant(self, volume: Volume) -> wire.MountGrant:
        """Ask until there is a grant that is not spent."""
        while True:
            if not volume.waiting:
                raise Interrupted
            try:
                async with volume.interruptible():
                    grant = await self._ask(volume)
                    if grant is not None:
                        return grant
            except Interrupted:
                continue

    async def _ask(self, volume: Volume) -> wire.MountGrant | None:
        volume.reason = volume.reason or "asking the controller"
        try:
            machine = self._machine()
            answer = await self._source.mount(wire.MountRequest(volume=volume.name, vm=machine.vm, boot=machine.boot))
        except ControllerUnreachable as error:
            volume.reason = str(error)
            await pause(ASK_AGAIN_SECONDS)
            return None
        except MachineUnknown as error:  # waiting does not cure it
            raise GateError(f"volume {volume.name}: it is not known which VM this node is: {error}") from error
        except ControllerRefused as error:
            raise GateError(error.why) from error
        if isinstance(answer, wire.Pending):
            volume.reason = answer.why
            return None
        spent = self._ledger.spent(volume.name, answer)
        if spent is None:
            return answer
        volume.reason = spent
        await pause(ASK_AGAIN_SECONDS)
        return None

    async def _use(self, volume: Volume, grant: wire.MountGrant) -> None:
        """Under the volume's lock. Afterwards it is mounted and counted, or the grant is spent."""
        ledger = self._ledger
        stored = ledger.stored(volume.name)
        volume.grant = grant
        ledger.put(volume.name, key=grant.key, used=max(stored.used, grant.serial), epoch=grant.epoch)
        try:
            if volume.mounted is None:
                await self._mount(volume, grant)
            await self._hand_out(volume, grant)
        except (DiskRefused, MountFailed, NotABlockDevice, ProgramMissing) as error:
            volume.problem = str(error)
            raise GateError(f"volume {volume.name}: {error}") from error
        finally:
            volume.grant = None
            await self._settle(volume)

    async def _mount(self, volume: Volume, grant: wire.MountGrant) -> None:
        target = self._ledger.target(volume.name)
        device = await self._device(volume, grant)
        try:
            wanted = Wanted(
                grant.fstype,
                grant.fs_uuid,
                grant.size_bytes,
                grant.may_format,
                grant.label,
                grant.source_label,
            )
            await self._host.prepare(
                device, wanted, lambda what: self._say(volume, what), lambda: self._proceed(volume, grant)
            )
            if grant.may_format or grant.source_label:
                await self._tell_formatted(volume, grant)
            self._proceed(volume, grant)
            self._ledger.put(volume.name, number=device.number)
            self._say(volume, f"mounting {device.path}")
            await self._host.mount(device.path, grant.fstype, target, twin=wanted.copied)
        finally:
            device.close()
        self._ledger.refresh(self._host.mounted())
        if volume.mounted is None or volume.mounted.number != device.number:
            raise MountFailed(f"{device.path} was mounted, but the kernel's mount table does not show it at {target}")

    async def _device(self, volume: Volume, grant: wire.MountGrant) -> Device:
        names = " or ".join(f"/dev/disk/by-id/{name}" for name in grant.by_id) or "(the controller gave no name)"
        self._say(volume, f"waiting for the disk to appear as {names}")
        while True:
            self._proceed(volume, grant)
            try:
                device = await self._host.find(grant.by_id)
            except OSError as error:
                self._say(volume, f"the disk {names} cannot be opened: {error}")
                device = None
            if device is not None:
                return device
            await asyncio.sleep(POLL_SECONDS)

    async def _tell_formatted(self, volume: Volume, grant: wire.MountGrant) -> None:
        """Before the first write of a container the record must know that this disk is never to be formatted again."""
        volume.formatted = True
        version = self._ledger.touch()
        self._say(volume, "telling the controller that the disk has its file system")
        while True:
            self._proceed(volume, grant)
            try:
                async with volume.interruptible():
                    await self._acknowledged(version)
                    return
            except Interrupted:
                continue

    async def _hand_out(self, volume: Volume, grant: wire.MountGrant) -> None:
        plate = Nameplate(volume.name, grant.key, grant.serial)
        await self._host.dress(self._ledger.target(volume.name), plate, grant.epoch)
        # From here to the return there is no await: a revocation comes before, and undoes the mount, or after.
        self._proceed(volume, grant)
        stored = self._ledger.stored(volume.name)
        self._ledger.put(volume.name, ids=stored.ids | volume.waiting)
        volume.problem = None
        volume.reason = ""
        log.info("volume.mounted", volume=volume.name, epoch=grant.epoch, serial=grant.serial, task=grant.task)

    async def _settle(self, volume: Volume) -> None:
        """A mount that nobody was given is taken down again; without a mount the grant is spent."""
        if volume.mounted is not None and not self._ledger.stored(volume.name).ids:
            await self._take_down(volume)
        elif volume.mounted is None and not volume.held:
            problem = volume.problem
            self._ledger.close(volume)
            volume.problem = problem
        self._ledger.touch()

    async def _take_down(self, volume: Volume) -> None:
        number = self._ledger.stored(volume.name).number
        try:
            await self._host.unmount(self._ledger.target(volume.name))
        except MountFailed as error:
            volume.problem = str(error)
        self._ledger.refresh(self._host.mounted())
        if volume.mounted is None and number is not None:
            volume.held = await self._host.in_use(number)
            if not volume.held:
                self._ledger.close(volume)

    def _proceed(self, volume: Volume, grant: wire.MountGrant) -> None:
        """Asked before each step, and right before and after mount(2)."""
        if self._ledger.stored(volume.name).floor >= grant.serial:
            raise Revoked
        if not volume.waiting:
            raise Interrupted

    def _say(self, volume: Volume, what: str) -> None:
        if volume.reason != what:
            volume.reason = what
            log.info("volume.step", volume=volume.name, why=what)
