"""The ways in which a mount ends: the last container goes, the controller asks, the disk vanishes, or Docker did it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import structlog

from controller.gate.host import Host
from controller.gate.ledger import GateError, Ledger, Volume
from controller.gate.mounts import Mounted, MountFailed
from controller.gate.state import INHERITED, VolumeState

log = structlog.get_logger()

BUSY_TRIES = 20
BUSY_PAUSE = 0.25
LINGER_TRIES = 20  # a container that just ended drops its last references a moment later
LINGER_PAUSE = 0.05
SYMPTOMS = 2  # failed reads in a row


class Unmounting:
    def __init__(self, ledger: Ledger, host: Host) -> None:
        self._ledger = ledger
        self._host = host

    async def leave(self, volume: Volume, mount_id: str) -> None:
        """One user goes; with the last the file system is unmounted. Raises GateError; then the user still counts."""
        async with volume.work:
            self._ledger.refresh(self._host.mounted())
            left = self._ledger.without(volume.name, mount_id)
            if volume.mounted is None or left:
                if left != self._ledger.stored(volume.name).ids:
                    self._ledger.put(volume.name, ids=left)
                return
            await self._unmount(volume)

    async def release(self, volume: Volume) -> None:
        """The controller wants the disk back: unmount if no container uses it."""
        async with volume.work:
            self._ledger.refresh(self._host.mounted())
            if volume.mounted is None:
                return
            if not self._ledger.stored(volume.name).ids:
                await self._unmount(volume)
            elif self._ledger.doubtful(volume, asyncio.get_running_loop().time()):
                await self._try_without(volume, volume.mounted)

    async def _try_without(self, volume: Volume, mounted: Mounted) -> None:
        """
        Unmount our own mount, to see whether a container still has the file system. If so, mount it again: it is the
        same file system in this kernel, and the container notices nothing.
        """
        target = self._ledger.target(volume.name)
        with suppress(MountFailed):
            await self._host.flush(target)
            await self._host.unmount(target)
        self._ledger.refresh(self._host.mounted())
        if volume.mounted is not None:
            return
        if not await self._host.in_use(mounted.number):
            log.info("users.forgotten", volume=volume.name, why="no container uses the volume any more")
            await self._settle(volume)
            return
        try:
            await self._host.mount(mounted.source, mounted.fstype, target, twin=True)  # was let in before
        except MountFailed as error:
            volume.problem = str(error)
        self._ledger.refresh(self._host.mounted())
        volume.inherited = frozenset()  # asked and answered: they live
        volume.held = volume.mounted is None

    async def _unmount(self, volume: Volume) -> None:
        """Under the volume's lock."""
        target = self._ledger.target(volume.name)
        try:
            await self._host.flush(target)
        except MountFailed as error:  # a dead disk cannot be flushed, and must be unmounted all the same
            log.warning("volume.unflushed", volume=volume.name, why=str(error))
        failure = await self._try_unmount(volume)
        if failure is not None:
            volume.problem = failure
            self._ledger.touch()
            raise GateError(f"volume {volume.name}: {failure}")
        await self._settle(volume)

    async def _try_unmount(self, volume: Volume) -> str | None:
        target = self._ledger.target(volume.name)
        failure = ""
        for _ in range(BUSY_TRIES):
            try:
                await self._host.unmount(target)
            except MountFailed as error:
                failure = str(error)
            self._ledger.refresh(self._host.mounted())
            if volume.mounted is None:
                return None
            await asyncio.sleep(BUSY_PAUSE)
        return failure or f"{target} is mounted more than once"

    async def _settle(self, volume: Volume) -> None:
        """Not mounted here any more; whether anything else in this kernel holds the disk decides what is reported."""
        number = self._ledger.stored(volume.name).number
        for _ in range(LINGER_TRIES):
            if number is None or not await self._host.in_use(number):
                self._ledger.close(volume)
                log.info("volume.unmounted", volume=volume.name, serial=self._ledger.stored(volume.name).floor)
                return
            await asyncio.sleep(LINGER_PAUSE)
        volume.held = True
        volume.problem = (
            f"unmounted, but another mount namespace on this node still holds the disk {number}; "
            "find it with `grep -l reberth /proc/*/mountinfo`"
        )
        self._ledger.put(volume.name, ids=frozenset())
        log.warning("volume.held", volume=volume.name, why=volume.problem)

    async def check(self, volume: Volume) -> None:
        """One look at one volume: does the world still agree with us? Done every few seconds and before a Mount."""
        if volume.work.locked():
            return
        async with volume.work:
            self._ledger.refresh(self._host.mounted())
            stored = self._ledger.stored(volume.name)
            if volume.mounted is not None:
                await self._check_disk(volume)
            elif volume.held or stored.number is not None:
                await self._settle_again(volume)

    async def _check_disk(self, volume: Volume) -> None:
        if volume.mounted is None:
            return
        number = volume.mounted.number
        why = await self._host.sickness(number)
        volume.sick = volume.sick + 1 if why else 0
        if why and (volume.sick >= SYMPTOMS or await self._host.gone(number)):
            await self._bury(volume, number, why)

    async def _bury(self, volume: Volume, number: str, why: str) -> None:
        log.warning("volume.vanished", volume=volume.name, why=why)
        try:
            await self._host.unmount(self._ledger.target(volume.name), lazy=True)
            await self._host.remove(number)
        except (MountFailed, OSError) as error:
            volume.problem = f"{why}; cleaning up failed: {error}"
        self._ledger.refresh(self._host.mounted())
        if volume.mounted is None:
            self._ledger.put(volume.name, number=number)
            await self._settle(volume)

    async def _settle_again(self, volume: Volume) -> None:
        """Held by another namespace until now, or unmounted behind our back (dockerd does when a plugin goes)."""
        number = self._ledger.stored(volume.name).number
        if number is None or not await self._host.in_use(number):
            self._ledger.close(volume)
        elif not volume.held:
            await self._settle(volume)


async def rebuild(ledger: Ledger, host: Host, boot: str) -> None:
    """After a start of the gate: memory and mount table together. Raises StateUnwritable, OSError."""
    table = host.mounted()
    old = ledger.state.now
    same_boot = old.boot == boot
    volumes: dict[str, VolumeState] = {}
    for name, stored in old.volumes.items():
        # Another boot: every container and mount of the old one is gone with its kernel.
        volumes[name] = stored if same_boot else stored.closed()
    for mounted in table.values():
        plate = await host.nameplate(mounted.path)
        known = any(ledger.root.resolve() / one.key == mounted.path for one in volumes.values() if one.key)
        if plate is None and not known:
            log.error("mount.unknown", why=f"{mounted.path} is mounted, and nothing tells which volume it is")
        if plate is not None and not known:
            volumes[plate.name] = VolumeState(key=plate.key, used=plate.serial)
    for name, one in volumes.items():
        here = table.get(ledger.root.resolve() / one.key) if one.key else None
        if here is not None:
            volumes[name] = msgspec.structs.replace(one, ids=one.ids or frozenset({INHERITED}), number=here.number)
    ledger.state.rebuild(boot, volumes)
    ledger.refresh(table)
    for name, one in volumes.items():
        ledger.volume(name).inherited = one.ids
