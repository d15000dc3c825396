"""The ways in which a mount ends: the last container goes, the controller asks, the disk vanishes, or Docker did it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog

from controller.gate.jobs import GateError
from controller.gate.kernel.host import Host
from controller.gate.kernel.mount_table import Mount, MountFailed
from controller.gate.volume import Volume

log = structlog.get_logger()

BUSY_TRIES = 20
BUSY_PAUSE = 0.25
LINGER_TRIES = 20  # a container that just ended drops its last references a moment later
LINGER_PAUSE = 0.05
SYMPTOMS = 2  # failed reads in a row
MENDING = (
    "it is unmounted, checked and mounted again when its container ends, for example by `docker service update --force`"
)
HELD = (
    "unmounted, but another mount namespace on this node still holds the disk {}; "
    "find it with `grep -l reberth /proc/*/mountinfo`"
)


@dataclass(frozen=True, slots=True)
class UnmountJob:
    """What may end the mount of ``volume``. All raise GateError, StateUnwritable."""

    volume: Volume
    host: Host

    async def leave(self, mount_id: str) -> None:
        """One user goes; with the last the file system is unmounted. After an error the user still counts."""
        async with self.volume.lock:
            self.volume.observe(self.host.mounted())
            left = self.volume.stored.without(mount_id)
            if self.volume.mount is None or left:
                await self.volume.keep_users(left)
                return
            await self._unmount()

    async def release(self) -> None:
        """The controller wants the disk back: unmount if no container uses it."""
        async with self.volume.lock:
            self.volume.observe(self.host.mounted())
            mount = self.volume.mount
            if mount is None:
                return
            if not self.volume.users:
                await self._unmount()
            elif self.volume.doubtful():
                await self._try_without(mount)

    async def check(self) -> None:
        """Does the world still agree with us? Done every few seconds and before a Mount."""
        if self.volume.lock.locked():
            return
        async with self.volume.lock:
            self.volume.observe(self.host.mounted())
            if self.volume.mount is not None:
                await self._check_disk(self.volume.mount)
            elif self.volume.in_question:
                await self._settle_again()

    async def _try_without(self, mount: Mount) -> None:
        """
        Unmount our own mount, to see whether a container still has the file system. If so, mount it again: it is the
        same file system in this kernel, and the container notices nothing.
        """
        target = self.volume.target
        with suppress(MountFailed):
            await self.host.flush(target)
            await self.host.unmount(target)
        self.volume.observe(self.host.mounted())
        if self.volume.mount is not None:
            return
        if not await self.host.in_use(mount.number):
            log.info("users.forgotten", volume=self.volume.name, why="no container uses the volume any more")
            await self._settle()
            return
        stored = self.volume.stored
        # The kernel refuses a second mount of one file system that differs in this.
        options = (*stored.mount_options, *(("ro",) if stored.read_only else ()))
        try:
            await self.host.mount(mount.source, mount.fstype, target, twin=True, options=options)
        except MountFailed as error:
            self.volume.fail(str(error))
        self.volume.observe(self.host.mounted())
        self.volume.confirm_users()

    async def _unmount(self) -> None:
        try:
            await self.host.flush(self.volume.target)
        except MountFailed as error:  # a dead disk cannot be flushed, and must be unmounted all the same
            log.warning("volume.unflushed", volume=self.volume.name, why=str(error))
        failure = await self._try_unmount()
        if failure is not None:
            self.volume.fail(failure)
            raise GateError(f"volume {self.volume.name}: {failure}")
        await self._settle()

    async def _try_unmount(self) -> str | None:
        target = self.volume.target
        failure = ""
        for _ in range(BUSY_TRIES):
            try:
                await self.host.unmount(target)
            except MountFailed as error:
                failure = str(error)
            self.volume.observe(self.host.mounted())
            if self.volume.mount is None:
                return None
            await asyncio.sleep(BUSY_PAUSE)
        return failure or f"{target} is mounted more than once"

    async def _settle(self) -> None:
        """Not mounted here any more; whether anything else in this kernel holds the disk decides what is reported."""
        number = self.volume.stored.number
        for _ in range(LINGER_TRIES):
            if number is None or not await self.host.in_use(number):
                await self.volume.settled()
                log.info("volume.unmounted", volume=self.volume.name, serial=self.volume.stored.floor)
                return
            await asyncio.sleep(LINGER_PAUSE)
        await self.volume.keep_users({})
        self.volume.hold(HELD.format(number))
        log.warning("volume.held", volume=self.volume.name, why=self.volume.problem)

    async def _check_disk(self, mount: Mount) -> None:
        why = await self.host.sickness(mount.number)
        if why is not None and await self.host.gone(mount.number):
            await self._bury(mount.number, why)
            return
        often = self.volume.sick(why) >= SYMPTOMS
        trouble = await self._trouble(mount, why if often else None)
        self.volume.suffer(trouble if why is not None or trouble is not None else await self._unfit(mount))

    async def _unfit(self, mount: Mount) -> str | None:
        """A disk that has become larger is used; by whom it was made so does not matter."""
        if mount.read_only:
            return None
        try:
            size = await self.host.fit(mount, self.volume.fitted)
        except MountFailed as error:
            return f"its file system does not fit its disk: {error}"
        if size != self.volume.fitted:
            self.volume.fitted = size
            log.info("volume.fits", volume=self.volume.name, size=size)
        return None

    async def _trouble(self, mount: Mount, why: str | None) -> str | None:
        """What its containers suffer from; a stall of the storage may pass, so nothing is taken from them."""
        if why is not None:
            return f"{why}, while its container runs; when that ends, the disk is looked for again"
        turned = mount.read_only and not self.volume.stored.read_only
        if turned or await self.host.shut_down(mount.path):
            what = "turned read-only" if turned else "was shut down"
            return f"its file system {what} after an error (see the kernel's log): {MENDING}"
        return None

    async def _bury(self, number: str, why: str) -> None:
        log.warning("volume.vanished", volume=self.volume.name, why=why)
        try:
            await self.host.unmount(self.volume.target, lazy=True)
            await self.host.remove(number)
        except (MountFailed, OSError) as error:
            self.volume.fail(f"{why}; cleaning up failed: {error}")
        self.volume.observe(self.host.mounted())
        if self.volume.mount is None:
            await self.volume.begin_mount(number)
            await self._settle()

    async def _settle_again(self) -> None:
        """Held by another namespace until now, or unmounted behind our back (dockerd does when a plugin goes)."""
        number = self.volume.stored.number
        if number is None or not await self.host.in_use(number):
            await self.volume.settled()
        else:
            self.volume.hold(HELD.format(number))
