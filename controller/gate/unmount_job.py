"""The ways in which a mount ends: the last container goes, the controller asks, the disk vanishes, or Docker did it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog

from controller.gate.jobs import GateError
from controller.gate.kernel.host import Host
from controller.gate.kernel.mount_table import Mount, MountFailed
from controller.gate.kernel.subprocesses import Stalled
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
STALLED = "its disk does not answer: {}. Nothing is taken from its container, which waits as well"
TURNED = "its file system turned read-only after an error (see the kernel's log): {}"
CHANGED = "its file system is read-only, which this volume is not meant to be: {}"
SHUT_DOWN = "its file system was shut down after an error (see the kernel's log): {}"
UNKNOWN = "its file system is mounted read-only, and this gate has no memory of how it was mounted"
LATE = (
    "what this gate does to its mount (a look, a flush, an unmount) has been under way for more than a minute: its "
    "disk does not answer, or not all that was written is on it yet"
)
HELD = (
    "unmounted, but another mount namespace on this node still holds the disk {}; "
    "find it with `grep -l reberth /proc/*/mountinfo`"
)
PROGRAM = (
    "a program on this node still has the disk {}, most likely a check or the making of its file system that a gate "
    "before this one began: nothing is mounted beside it, and it is not ended, as half of it could harm the disk. If "
    "it never ends, look at the storage and at this node's kernel log, then drain this node and restart it"
)
AWAY = (
    "its container has the disk {}, and this gate cannot mount it again beside it ({}): it is tried again, and ends "
    "with the container, for example by `docker service update --force`"
)


@dataclass(frozen=True, slots=True)
class UnmountJob:
    """What may end the mount of ``volume``. All raise GateError, StateUnwritable."""

    volume: Volume
    host: Host

    async def leave(self, mount_id: str) -> None:
        """
        One user goes; with the last the file system is unmounted. After an error it still counts until that succeeds,
        which is tried again by `check`: Docker has its error, and says nothing more of a container that has ended.
        """
        async with self.volume.lock:
            self.volume.observe(self.host.mounted())
            left = self.volume.stored.without(mount_id)
            if self.volume.mount is None or not msgspec.structs.replace(self.volume.stored, users=left).unused:
                await self.volume.keep_users(left)
                return
            await self._unmount(mount_id)

    async def release(self) -> None:
        """The controller wants the disk back: unmount if no container uses it."""
        async with self.volume.lock:
            self.volume.observe(self.host.mounted())
            mount = self.volume.mount
            if mount is None:
                return
            if self.volume.stored.unused:
                await self._unmount()
            elif self.volume.doubtful():
                await self._try_without(mount)

    async def check(self) -> None:
        """Does the world still agree with us? Done every few seconds and before a Mount."""
        if self.volume.lock.locked():
            return
        async with self.volume.lock:
            self.volume.observe(self.host.mounted())
            try:
                if self.volume.mount is not None:
                    await self._check_mount(self.volume.mount)
                elif self.volume.in_question:
                    await self._settle_again()
            except Stalled as stalled:
                self.volume.suffer(STALLED.format(stalled))

    async def _check_mount(self, mount: Mount) -> None:
        """One that nobody has is there because it could not be taken down before."""
        await self._check_disk(mount)
        if self.volume.mount is not None and self.volume.stored.unused and not self.volume.waiters.ids:
            with suppress(GateError):  # it is the volume's problem, and tried again
                await self._unmount(tries=1)

    async def _try_without(self, mount: Mount) -> None:
        """
        Unmount our own mount, to see whether a container still has the file system. If so, mount it again: it is the
        same file system in this kernel, and the container notices nothing.
        """
        await self._flush()
        try:
            await self.host.unmount(self.volume.target)
        except MountFailed as error:
            self.volume.fail(str(error))
        self.volume.observe(self.host.mounted())
        if self.volume.mount is not None:
            return
        self.volume.taken = mount
        if not await self.host.in_use(mount.number):
            log.info("users.forgotten", volume=self.volume.name, why="no container uses the volume any more")
            await self._settle()
            return
        await self._mount_back(mount)

    async def _mount_back(self, mount: Mount) -> None:
        """It is surely mounted in a container. If this fails it is held until that ends, and is tried again."""
        volume, stored = self.volume, self.volume.stored
        # The kernel refuses a second mount of one file system that differs in this.
        options = (*stored.mount_options, *(("ro",) if stored.read_only else ()))
        try:
            await self.host.mount(mount.source, mount.fstype, volume.target, twin=True, options=options)
        except MountFailed as error:
            volume.hold(AWAY.format(mount.number, error))
        volume.observe(self.host.mounted())
        if volume.mount is not None:
            volume.taken = None
            volume.recover()
        volume.inherit(asyncio.get_running_loop().time())  # they live: asked again after a while

    async def _flush(self) -> None:
        try:
            await self.host.flush(self.volume.target)
        except MountFailed as error:  # a dead disk cannot be flushed, and must be unmounted all the same
            log.warning("volume.unflushed", volume=self.volume.name, why=str(error))

    async def _unmount(self, leaver: str | None = None, tries: int = BUSY_TRIES) -> None:
        await self._flush()
        failure = await self._try_unmount(tries)
        if failure is not None:
            self.volume.fail(failure)
            if leaver is not None:
                await self.volume.keep_users(self.volume.stored.ended(leaver).users)
            raise GateError(f"volume {self.volume.name}: {failure}")
        await self._settle()

    async def _try_unmount(self, tries: int) -> str | None:
        target = self.volume.target
        failure = ""
        for left in reversed(range(tries)):
            try:
                await self.host.unmount(target)
            except MountFailed as error:
                failure = str(error)
            self.volume.observe(self.host.mounted())
            if self.volume.mount is None:
                return None
            await asyncio.sleep(BUSY_PAUSE if left else 0)
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
        if why is None and trouble is None:
            trouble = await self._unfit(mount)
        self.volume.suffer(trouble, may_be_meant=trouble == UNKNOWN)

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
        if mount.failed and not self.volume.stored.read_only:
            return TURNED.format(MENDING)
        if await self.host.shut_down(mount.path):
            return SHUT_DOWN.format(MENDING)
        if mount.read_only and not self.volume.stored.read_only:
            return UNKNOWN if self.volume.stored.read_only is None else CHANGED.format(MENDING)
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
        number, taken = self.volume.stored.number, self.volume.taken
        if number is None or not await self.host.in_use(number):
            await self.volume.settled()
        elif taken is not None and taken.number == number and not self.volume.stored.unused:
            await self._mount_back(taken)
        else:
            self.volume.hold((PROGRAM if await self.host.busy(number) else HELD).format(number))
