"""The blocking session as coroutines: own threads, a deadline for every call, and the wait for a task's end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from drivers.vsphere import client
from drivers.vsphere.client import Open, Session
from drivers.vsphere.convert import Place, Vm
from drivers.vsphere.faults import Doubt, Fault, NotSent
from drivers.vsphere.requests import Change, Found, TaskState
from drivers.vsphere.settings import Settings

T = TypeVar("T")
THREADS = 8  # vCenter serves more at once, but one swarm has few VMs in trouble at once
_FIRST_LOOK, _LAST_LOOK = 0.05, 1.0  # seconds between looks at a task: a fast one is seen fast, a slow one asked rarely


class Calls:
    """Every method may raise `NotSent`, `Doubt` or `Fault`. After a deadline a call may still be under way: `Doubt`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.session = Session(settings, settings.call_timeout)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="vsphere")

    async def place(self) -> Place:
        return await self._call(lambda now: now.place)

    async def look(self, *, full: bool) -> tuple[tuple[Vm, ...], dict[str, str]]:
        return await self._call(lambda now: client.look(now, full=full))

    async def vm(self, ref: str) -> Vm:
        return await self._call(lambda now: client.read_vm(now, ref))

    async def disk_uuid(self, path: str) -> str:
        return await self._call(lambda now: client.disk_uuid(now, path))

    async def make_folder(self) -> None:
        await self._call(client.make_folder)

    async def reconfigure(self, change: Change) -> None:
        await self._task(lambda now: client.reconfigure(now, change))

    async def power_off(self, ref: str) -> None:
        await self._task(lambda now: client.power_off(now, ref))

    async def create_disk(self, path: str, size_kib: int) -> None:
        wanted = self._settings
        policy = None
        if (name := wanted.storage_policy) is not None:
            policy = await self._call(lambda now: client.policy_id(now, name))
        await self._task(lambda now: client.create_disk(now, path, size_kib, wanted.disk_format, policy))

    async def delete_disk(self, path: str) -> None:
        await self._task(lambda now: client.delete_disk(now, path))

    async def copy_disk(self, source: str, target: str) -> None:
        """It takes as long as it takes: whoever waits has the deadline."""
        wanted = self._settings.disk_format
        await self._task(lambda now: client.copy_disk(now, source, target, wanted), endless=True)

    async def move_disk(self, source: str, target: str) -> None:
        await self._task(lambda now: client.move_disk(now, source, target))

    async def set_disk_uuid(self, path: str, uuid: str) -> None:
        await self._call(lambda now: client.set_disk_uuid(now, path, uuid))

    async def files(self, pattern: str) -> tuple[Found, ...]:
        """Disks in our folder by file name; ``*`` stands for anything."""
        return (await self._task(lambda now: client.search_disk(now, pattern))).found

    async def close(self) -> None:
        try:
            async with asyncio.timeout(self._settings.call_timeout):
                await asyncio.get_running_loop().run_in_executor(None, self.session.close)
        except TimeoutError:
            self.session.cut()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, call: Callable[[Open], T]) -> T:
        work = functools.partial(self.session.run, call)
        try:
            async with asyncio.timeout(self._settings.call_timeout):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise Doubt(f"no answer within {self._settings.call_timeout:g} s") from None

    async def _task(self, start: Callable[[Open], str], *, endless: bool = False) -> TaskState:
        """Starts a task and waits for its end. Raises its fault; Doubt when it has not ended in time."""
        ref = await self._call(start)
        try:
            async with asyncio.timeout(None if endless else self._settings.task_timeout):
                state = await self._ended(ref)
        except TimeoutError:
            raise Doubt(f"the task {ref} has not ended within {self._settings.task_timeout:g} s") from None
        except (Fault, Doubt, NotSent) as error:
            raise Doubt(f"the task {ref} was started, but cannot be watched: {error}") from None
        if state.fault is not None:
            raise state.fault
        return state

    async def _ended(self, ref: str) -> TaskState:
        pause = _FIRST_LOOK
        while True:
            state = await self._call(lambda now: client.read_task(now, ref))
            if state.ended:
                return state
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_LOOK)
