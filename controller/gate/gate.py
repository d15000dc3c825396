"""
The gate: what each of Docker's calls means, and the jobs behind them.

Docker gives up on a Mount after 120 s and sends the next while the first still runs, and on an Unmount after 60 s. So
calls only wait for jobs, with a deadline of their own and the newest reason when it passes; the jobs go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from controller import wire
from controller.gate.client import ControllerError, ControllerRefused, ControllerUnreachable, pause
from controller.gate.host import Host
from controller.gate.ledger import GateError, Interrupted, Ledger, Volume
from controller.gate.machine import Machine, MachineUnknown
from controller.gate.mounting import GrantSource, Mounting
from controller.gate.state import StateFile, StateUnwritable
from controller.gate.sync import Reporter, SyncTarget
from controller.gate.unmounting import Unmounting, rebuild

log = structlog.get_logger()

MOUNT_SECONDS = 95.0
UNMOUNT_SECONDS = 50.0
CREATE_SECONDS = 95.0
REMOVE_SECONDS = 10.0
CHECK_SECONDS = 3.0


class Controller(GrantSource, SyncTarget, Protocol):
    async def create(self, name: str, options: Mapping[str, str]) -> wire.Volume: ...

    async def get(self, name: str) -> wire.Volume: ...

    async def remove(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What Get and List tell about one volume."""

    name: str
    mountpoint: Path | None
    reason: str


class Gate:
    def __init__(
        self, host: Host, controller: Controller, machine: Callable[[], Machine], mount_root: Path, state_file: Path
    ) -> None:
        self._host = host
        self._controller = controller
        self._machine = machine
        self._state = StateFile(state_file)
        self.ledger = Ledger(self._state, mount_root, asyncio.get_running_loop().time())
        self.reporter = Reporter(controller, self.ledger, machine, self._obey)
        self._mounting = Mounting(self.ledger, host, controller, machine, self.reporter.acknowledged)
        self._unmounting = Unmounting(self.ledger, host)
        self._jobs: asyncio.TaskGroup | None = None
        self._awake = asyncio.Event()
        self.why_asleep = ""

    @property
    def awake(self) -> bool:
        return self._awake.is_set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as jobs:
            self._jobs = jobs
            while not await self._wake():  # noqa: ASYNC110 -- files that appear make no event here
                await asyncio.sleep(1)
            jobs.create_task(_for_ever(self.reporter.run))
            jobs.create_task(_for_ever(self._watch))

    async def _wake(self) -> bool:
        """Rebuild what was known. Needs the boot id: what the file says about another boot is not true any more."""
        try:
            machine = self._machine()
            if self._state.now.boot == "":
                self._state.load()
            await rebuild(self.ledger, self._host, machine.boot)
        except (MachineUnknown, StateUnwritable, OSError) as error:
            if str(error) != self.why_asleep:
                log.warning("gate.asleep", why=str(error))
            self.why_asleep = str(error)
            return False
        self._awake.set()
        log.info("gate.ready", vm=machine.vm, boot=machine.boot, why=self._state.lost or "the state was read")
        return True

    def _group(self) -> asyncio.TaskGroup:
        if self._jobs is None or not self._awake.is_set():
            raise GateError(f"the gate cannot work yet: {self.why_asleep or 'it has just started'}")
        return self._jobs

    # -- Docker's calls. All raise GateError. -------------------------------------------------------------------------

    async def create(self, name: str, options: Mapping[str, str]) -> None:
        """A controller that is just failing over is waited for: Docker would only fail the task and start another."""
        self._group()
        await _within(CREATE_SECONDS, lambda: self._controller.create(name, options))
        self._keep(lambda: self._state.add_name(name))

    async def remove(self, name: str) -> None:
        self._group()
        try:
            await _within(REMOVE_SECONDS, lambda: self._controller.remove(name))
        except _Refused as error:
            if not error.not_found:
                raise
        self._keep(lambda: self._state.drop_name(name))

    def get(self, name: str) -> Known | None:
        """None for a name that was not created here: then Docker calls Create, and the controller sees the options."""
        self._group()
        if name not in self._names():
            return None
        volume = self.ledger.volumes.get(name)
        return Known(name, self.ledger.path(name), (volume.problem or volume.reason) if volume else "")

    def listed(self) -> tuple[Known, ...]:
        self._group()
        return tuple(known for name in sorted(self._names()) if (known := self.get(name)) is not None)

    def _names(self) -> frozenset[str]:
        mounted = {name for name, one in self.ledger.volumes.items() if one.mounted is not None}
        return self._state.now.created | mounted

    async def mount(self, name: str, mount_id: str) -> Path:
        self._group()
        volume = self.ledger.volume(name)
        volume.waiting.add(mount_id)
        try:
            async with asyncio.timeout(MOUNT_SECONDS):
                return await self._mount(volume, mount_id)
        except TimeoutError as error:
            raise GateError(
                f"volume {name} is not ready after {MOUNT_SECONDS:.0f} s: {volume.reason or 'no reason is known'}"
            ) from error
        finally:
            volume.waiting.discard(mount_id)
            if not volume.waiting:
                volume.interrupt()

    async def _mount(self, volume: Volume, mount_id: str) -> Path:
        if volume.mounted is not None:
            volume.reason = "looking at the disk that is mounted"
            await self._unmounting.check(volume)
        while True:
            path = self.ledger.path(volume.name)
            if path is not None and mount_id in self.ledger.stored(volume.name).ids:
                return path
            if volume.mount_job is None:
                volume.mount_job = self._start(
                    lambda: self._mounting.run(volume), lambda: setattr(volume, "mount_job", None)
                )
            failure = await asyncio.shield(volume.mount_job)
            if failure is not None:
                await self._forget_if_unknown(volume.name)
                raise failure

    async def _forget_if_unknown(self, name: str) -> None:
        """Removed on another node: forget the name, so that the next task's Docker creates it again."""
        try:
            await self._controller.get(name)
        except ControllerRefused as error:
            if error.not_found:
                self._keep(lambda: self._state.drop_name(name))
        except ControllerUnreachable:
            return

    async def unmount(self, name: str, mount_id: str) -> None:
        """The same whether a controller can be reached or not: it is told when it can."""
        self._group()
        volume = self.ledger.volume(name)
        try:
            async with asyncio.timeout(UNMOUNT_SECONDS):
                while volume.unmount_job is not None:
                    await asyncio.shield(volume.unmount_job)
                failure = await asyncio.shield(
                    self._start_unmount(volume, lambda: self._unmounting.leave(volume, mount_id))
                )
        except TimeoutError as error:
            raise GateError(f"volume {name} is still being unmounted after {UNMOUNT_SECONDS:.0f} s") from error
        if failure is not None:
            raise failure

    # -- The controller's orders, and the watch. ----------------------------------------------------------------------

    def _obey(self, order: wire.Release) -> None:
        """The refusal holds from here on, before anything else runs; unmounting follows."""
        volume = self.ledger.volume(order.volume)
        stored = self.ledger.stored(order.volume)
        if order.serial > stored.floor:
            try:
                self.ledger.put(order.volume, floor=order.serial)
            except StateUnwritable as error:
                volume.problem = str(error)
                return
            log.info("grants.refused", volume=order.volume, serial=order.serial, why="the controller took them back")
        if volume.grant is not None and volume.grant.serial <= order.serial:
            volume.interrupt()
        unused = not stored.ids or self.ledger.doubtful(volume, asyncio.get_running_loop().time())
        if volume.mounted is not None and unused and volume.unmount_job is None and not volume.work.locked():
            self._start_unmount(volume, lambda: self._unmounting.release(volume))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for volume in list(self.ledger.volumes.values()):
                if not volume.checking:  # a look at a dead disk may hang; the others go on
                    self._start_check(volume)

    def _start_check(self, volume: Volume) -> None:
        volume.checking = True
        self._start(lambda: self._unmounting.check(volume), lambda: setattr(volume, "checking", False))

    def _start_unmount(self, volume: Volume, work: Callable[[], Awaitable[None]]) -> asyncio.Future[GateError | None]:
        volume.unmount_job = self._start(work, lambda: setattr(volume, "unmount_job", None))
        return volume.unmount_job

    def _start(
        self, work: Callable[[], Awaitable[None]], ended: Callable[[], None]
    ) -> asyncio.Future[GateError | None]:
        """Run a job that outlives its callers. Its result is what went wrong, or None."""
        future: asyncio.Future[GateError | None] = asyncio.get_running_loop().create_future()

        async def job() -> None:
            failure: GateError | None = GateError("the gate is being stopped")
            try:
                failure = await _outcome(work)
            finally:
                ended()
                if not future.done():
                    future.set_result(failure)

        self._group().create_task(job())
        return future

    @staticmethod
    def _keep(write: Callable[[], None]) -> None:
        try:
            write()
        except StateUnwritable as error:
            raise GateError(str(error)) from error


async def _outcome(work: Callable[[], Awaitable[None]]) -> GateError | None:
    try:
        await work()
    except GateError as error:
        return error
    except StateUnwritable as error:
        return GateError(str(error))
    except Interrupted:
        return GateError("nobody waited for it any more")
    except Exception as error:  # a crash of the plugin would take every volume of the node with it
        log.exception("job.failed")
        return GateError(f"{type(error).__name__}: {error}")
    return None


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """A mistake in one round must not end the plugin: dockerd's next start would suffer. It is logged, and goes on."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("loop.failed")
        await asyncio.sleep(1)


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
