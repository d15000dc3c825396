"""
The gate: what each of Docker's calls means, and what the controller's orders do.

Docker gives up on a Mount after 120 s and sends the next while the first still runs, and on an Unmount after 60 s. So
calls only wait for jobs, with a deadline of their own and the newest reason when it passes; the jobs go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from controller.gate.connecting.connections import Connections
from controller.gate.jobs import GateError, Job, for_ever
from controller.gate.kernel.ghosts import Ghosts, may_be_used
from controller.gate.kernel.host import Host
from controller.gate.mount_job import GrantSource, MountJob
from controller.gate.reporter import Reporter, SyncTarget
from controller.gate.startup import rebuild
from controller.gate.state_file import StateFile, StateUnwritable
from controller.gate.unmount_job import LATE, UnmountJob
from controller.gate.upkeep import usage
from controller.gate.upkeep.trimming import Trimming
from controller.gate.volume import Volume
from controller.gate.volume_names import MADE_UP, NO_SOURCE, Descriptions, Known, Lister, VolumeNames
from controller.gate.volume_table import VolumeTable
from controller.protocol import messages
from controller.protocol.client import ControllerError, ControllerRefused, pause
from controller.protocol.machine import Machine, MachineUnknown

log = structlog.get_logger()

T = TypeVar("T")

MOUNT_SECONDS = 95.0
UNMOUNT_SECONDS = 50.0
CREATE_SECONDS = 95.0
REMOVE_SECONDS = 10.0
CHECK_SECONDS = 3.0
USAGE_SECONDS = 0.3
WAKE_SECONDS = 10.0
LATE_SECONDS = 60.0


class Controller(GrantSource, SyncTarget, Lister, Protocol):
    async def create(self, name: str, options: Mapping[str, str]) -> messages.Volume: ...

    async def remove(self, name: str) -> None: ...


class Gate:
    def __init__(
        self, host: Host, controller: Controller, machine: Callable[[], Machine], mount_root: Path, state_file: Path
    ) -> None:
        self._host = host
        self._controller = controller
        self._machine = machine
        self._store = StateFile(state_file, host.in_thread)
        self.volumes = VolumeTable(self._store, mount_root.resolve())
        self.names = VolumeNames(self._store, controller)
        self._descriptions = Descriptions(controller)
        self.connections = Connections(host, self._store, self.volumes.touch)
        self.reporter = Reporter(controller, self.volumes, machine, self._obey, self.connections)
        self._ghosts, self._burying = Ghosts(host), Job()
        self._jobs: asyncio.TaskGroup | None = None
        self._awake = asyncio.Event()
        self._tried = asyncio.Event()  # to wake, once
        self.why_asleep = ""

    @property
    def awake(self) -> bool:
        return self._awake.is_set()

    async def run(self) -> None:
        """Work until cancelled. The state is written for longer than that: what is under way has to end in order."""
        async with asyncio.TaskGroup() as writing:
            writer = writing.create_task(self._store.run())
            try:
                await self._work()
            finally:
                writer.cancel()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as jobs:
            self._jobs = jobs
            while not await self._wake():
                self._tried.set()
                await asyncio.sleep(1)
            self._tried.set()
            jobs.create_task(for_ever(self.reporter.run))
            jobs.create_task(for_ever(self.names.run))
            jobs.create_task(for_ever(self.connections.run))
            jobs.create_task(for_ever(self._watch))
            jobs.create_task(for_ever(lambda: usage.watch(self.volumes, self._host, jobs)))
            jobs.create_task(for_ever(lambda: Trimming(self._host, self.volumes).run(jobs)))

    async def _wake(self) -> bool:
        """Rebuild what was known. Needs the boot id: what the file says about another boot is not true any more."""
        try:
            if self._store.now.boot == "":
                await self._store.load()
            machine = self._machine()
            await rebuild(self.volumes, self._store, self._host, machine.boot)
        except Exception as error:  # a plugin that ends at its start cannot even say why
            why, bug = str(error) or repr(error), not isinstance(error, MachineUnknown | StateUnwritable | OSError)
            if why != self.why_asleep:
                log.warning("gate.asleep", why=why, exc_info=bug)
            self.why_asleep = why
            return False
        self._awake.set()
        log.info("gate.ready", vm=machine.vm, boot=machine.boot, why=self._store.lost or "the state was read")
        return True

    async def _group(self) -> asyncio.TaskGroup:
        """
        Who works. dockerd asks for the volumes of its containers as soon as the socket answers, and takes an error for
        a no: so a call waits for the first look at what is mounted.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(WAKE_SECONDS):
                await self._tried.wait()
        if self._jobs is None or not self._awake.is_set():
            raise GateError(f"the gate cannot work yet: {self.why_asleep or 'it has just started'}")
        return self._jobs

    # -- Docker's calls. All raise GateError. -------------------------------------------------------------------------

    async def create(self, name: str, options: Mapping[str, str]) -> None:
        """A controller that is just failing over is waited for: Docker would only fail the task and start another."""
        await self._group()
        if MADE_UP.fullmatch(name):
            raise GateError(NO_SOURCE)
        await _within(CREATE_SECONDS, lambda: self._controller.create(name, options))
        await _kept(self._store.add_name(name))

    async def remove(self, name: str) -> None:
        await self._group()
        try:
            await _within(REMOVE_SECONDS, lambda: self._controller.remove(name))
        except _Refused as error:
            if not error.not_found:
                raise
        await _kept(self._store.drop_name(name))

    async def get(self, name: str) -> Known | None:
        """
        None for a name that is no volume of the swarm: then Docker calls Create, or makes a local volume. An error is
        taken for that, too: so a gate that cannot work says yes to the names that it knows, and refuses the Mount.
        """
        try:
            await self._group()
        except GateError as error:
            if name not in self.names.known:
                raise
            return Known(name, None, str(error))
        found = name in self._mounted() or await _kept(self.names.has(name))
        return await self._described(name) if found else None

    async def _described(self, name: str) -> Known:
        found = await usage.soon(self.volumes.volume(name), self._host, await self._group(), USAGE_SECONDS)
        return replace(self._known(name), details=await self._descriptions.of(name), usage=found)

    async def listed(self) -> tuple[Known, ...]:
        await self._group()
        return tuple(self._known(name) for name in sorted(self.names.known | self._mounted()))

    def _known(self, name: str) -> Known:
        volume = self.volumes.volume(name)
        return Known(name, volume.path, volume.problem or volume.reason)

    def _mounted(self) -> frozenset[str]:
        return frozenset(volume.name for volume in self.volumes if volume.mount is not None)

    async def mount(self, name: str, mount_id: str) -> Path:
        await self._group()
        volume = self.volumes.volume(name)
        repeated = mount_id in volume.users
        path = await self._mounted_for(volume, mount_id)
        if repeated:
            volume.repeats.add(mount_id)
        return path

    async def _mounted_for(self, volume: Volume, mount_id: str) -> Path:
        volume.waiters.join(mount_id)
        try:
            async with asyncio.timeout(MOUNT_SECONDS):
                return await self._mount(volume, mount_id)
        except TimeoutError as error:
            path = volume.given(mount_id)
            if path is not None:  # counted in this very moment: an error would leave a user that never says Unmount
                return path
            raise GateError(
                f"volume {volume.name} is not ready after {MOUNT_SECONDS:.0f} s: {volume.awaited}"
            ) from error
        finally:
            volume.waiters.leave(mount_id)

    async def _mount(self, volume: Volume, mount_id: str) -> Path:
        if volume.mount is not None:
            volume.wait_for("looking at the disk that is mounted")
            await UnmountJob(volume, self._host).check()
        while (path := volume.given(mount_id)) is None:
            if not volume.mounting.running:
                strays = self.volumes.strays
                job = MountJob(volume, self._host, self._controller, self._machine, self.reporter.told, strays)
                volume.mounting.start(await self._group(), job.run)
            failure = await volume.mounting.outcome()
            if failure is not None:
                await _kept(self.names.forget_if_gone(volume.name))
                raise failure
        return path

    async def unmount(self, name: str, mount_id: str) -> None:
        """The same whether a controller can be reached or not: it is told when it can."""
        await self._group()
        volume = self.volumes.volume(name)
        if volume.repeats.end(mount_id):
            volume.inherit(asyncio.get_running_loop().time())  # should it have been its end: asked when it matters
            return
        try:
            async with asyncio.timeout(UNMOUNT_SECONDS):
                while volume.unmounting.running:
                    await volume.unmounting.outcome()
                volume.unmounting.start(await self._group(), lambda: UnmountJob(volume, self._host).leave(mount_id))
                failure = await volume.unmounting.outcome()
        except TimeoutError as error:
            raise GateError(f"volume {name} is still being unmounted after {UNMOUNT_SECONDS:.0f} s") from error
        if failure is not None:
            raise failure

    # -- The controller's orders, and the watch. ----------------------------------------------------------------------

    async def _obey(self, order: messages.Release) -> None:
        """The refusal stands when this returns; unmounting follows."""
        volume = self.volumes.volume(order.volume)
        try:
            await volume.refuse(order.serial)
        except StateUnwritable as error:
            volume.fail(str(error))
            return
        unused = volume.stored.unused or volume.doubtful()
        if volume.mount is not None and unused and not volume.unmounting.running and not volume.lock.locked():
            volume.unmounting.start(await self._group(), UnmountJob(volume, self._host).release)

    async def _watch(self) -> None:
        while True:
            for volume in self.volumes:
                if volume.mount is not None and volume.lock.held_for > LATE_SECONDS:
                    volume.suffer(LATE)
                if volume.in_question and not volume.checking.running:  # a program on a dead disk may hang
                    volume.checking.start(await self._group(), UnmountJob(volume, self._host).check)
            if not self._burying.running:
                self._burying.start(await self._group(), self._bury)
            with suppress(StateUnwritable):  # tried again
                await self.volumes.forget()
            await asyncio.sleep(CHECK_SECONDS)

    async def _bury(self) -> None:
        numbers = (volume.stored.number for volume in self.volumes)
        await self._ghosts.look(frozenset(number for number in numbers if number is not None))
        self.volumes.are_in_use(await may_be_used(self._host, self.volumes.strays))


async def _kept(write: Awaitable[T]) -> T:
    try:
        return await write
    except StateUnwritable as error:
        raise GateError(str(error)) from error


class _Refused(GateError):
    def __init__(self, why: str, *, not_found: bool) -> None:
        super().__init__(why)
        self.not_found = not_found


async def _within(seconds: float, call: Callable[[], Awaitable[object]]) -> None:
    """Ask until somebody decides. Raises GateError with the newest reason."""
    why = "no controller answered"
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await call()
                except ControllerRefused as error:
                    raise _Refused(error.why, not_found=error.not_found) from error
                except ControllerError as error:
                    why = error.why
                    await pause(1.0)
                else:
                    return
    raise GateError(f"not done within {seconds:.0f} s: {why}")
