"""The blocking session as coroutines: own threads, a deadline for every call, and the wait for a task's end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from controller.model import VmId
from drivers.base import Room
from drivers.guests import GuestAddresses
from drivers.shared.faults import CallError, Doubt
from drivers.vsphere import client
from drivers.vsphere.client import Open, Session
from drivers.vsphere.creation.placing import Member
from drivers.vsphere.inventory import Disk, Found, Inventory, Place, Vm
from drivers.vsphere.obstacles import Obstacles
from drivers.vsphere.requests import Change, TaskState, searched
from drivers.vsphere.settings import Settings
from drivers.vsphere.slots import FEW

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
        return await self._call(lambda now: now.place_now())

    async def look(self, *, whole: bool = False) -> Inventory:
        """``whole``: by reading everything, instead of what vCenter says has changed."""
        return await self._call(lambda now: client.look(now, whole=whole))

    async def again(self, vms: Sequence[Vm]) -> Inventory:
        """These VMs, and the hosts that they were on."""
        return await self._call(lambda now: client.read_again(now, vms))

    async def guests(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        return await self._call(lambda now: client.read_guests(now, vms))

    async def vm(self, ref: str) -> Vm:
        return await self._call(lambda now: client.read_vm(now, ref))

    async def obstacles(self, refs: Sequence[str], place: Place | None = None) -> Mapping[str, Obstacles]:
        wide = self._settings.disks_per_controller > FEW
        return await self._call(lambda now: client.read_obstacles(now, refs, place, wide=wide))

    async def free_kib(self, at: Place) -> int | None:
        """On this datastore; None where it does not tell."""
        return await self._call(lambda now: client.free_kib(now, at))

    async def members(self, at: Sequence[Place]) -> Sequence[Member]:
        """Of these datastores, what a choice rests on."""
        return await self._call(lambda now: client.members(now.content, now.stub, at))

    async def rooms(self, at: Sequence[Place]) -> Mapping[str, Room]:
        """By the datastores' names."""
        return await self._call(lambda now: client.rooms(now, at))

    async def disk_uuid(self, path: str) -> str:
        return await self._call(lambda now: client.disk_uuid(now, path))

    async def make_folder(self, at: Place) -> None:
        await self._call(lambda now: client.make_folder(now, at))

    async def reconfigure(self, change: Change) -> None:
        await self._task(lambda now: client.reconfigure(now, change))

    async def power_off(self, ref: str) -> None:
        await self._task(lambda now: client.power_off(now, ref))

    async def create_disk(self, path: str, size_kib: int, disk_format: str, policy: str | None) -> None:
        """``policy``: the ID of a storage policy."""
        await self._task(lambda now: client.create_disk(now, path, size_kib, disk_format, policy))

    async def policy(self, name: str) -> str:
        """The ID of a storage policy. A Fault where there is none, or one that encrypts."""
        return await self._call(lambda now: client.policy_id(now, name))

    async def without_policy(self, ref: str, disks: Sequence[Disk], policy: str) -> tuple[Disk, ...]:
        return await self._call(lambda now: client.without_policy(now, ref, disks, policy))

    async def log_event(self, ref: str, text: str) -> None:
        await self._call(lambda now: client.log_event(now, ref, text))

    async def set_attribute(self, ref: str, name: str, text: str) -> None:
        await self._call(lambda now: client.set_attribute(now, ref, name, text))

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

    async def files(self, at: Place, pattern: str) -> tuple[Found, ...]:
        """Disks in our folder on this datastore by file name; ``*`` stands for anything."""
        return searched(await self._task(lambda now: client.search_disk(now, at, pattern)))

    async def run(self, call: Callable[[Open], T]) -> T:
        """For a probe: whatever it asks."""
        return await self._call(call)

    async def task(self, start: Callable[[Open], str]) -> str:
        """For a probe: a task of its own, to its end."""
        await self._task(start)
        return "done"

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
        except CallError as error:
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
