"""
A rough life for the real loop, on memory: nodes die and come back, calls go wrong, controllers are killed at any call.

Reconciler, planner, executor, scribe and gatekeeper are the real ones, on the memory driver and memory records. Played
are Swarm (it notices after a while, and places tasks anew), the gates, and a person who removes volumes and makes them
anew. A law is checked where it could be broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from controller.answers import No
from controller.gatekeeper import Gatekeeper
from controller.memory_records import MemoryStore
from controller.model import DiskId, Epoch, NodeId, NodeState, Phase, Power, TaskId, VmId, VolumeName, VolumeRecord
from controller.records import Leadership, RecordsUnavailable, Stale
from controller.wire import CreateVolume, MountGrant, MountRequest, RemoveVolume, Sync, Volume
from drivers.base import Outcome
from drivers.memory import MemoryDriver
from drivers.memory_storage import Call, MemoryStorage
from tests.unit.shell import Controller, FakeCluster, FakeGate, FragileRecords, replace_wait

T = TypeVar("T")
UNHEARD = 10.0  # seconds after which Swarm calls a node down
CLIENT_DEADLINE = 45.0  # seconds after which a gate gives up on an answer


class Life:
    """A controller's process: it ends before or after one of its calls, and then nothing of it goes on."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._left: int | None = None
        self._after = False

    def end_at(self, call: int, *, after: bool) -> None:
        self._left, self._after = call, after

    def spare(self) -> None:
        """A death that has not come yet does not come."""
        self._left = None

    async def around(self, call: Coroutine[None, None, T]) -> T:
        last = self._left == 0
        if self._left is not None:
            self._left -= 1
        if self.over.is_set() or (last and not self._after):
            call.close()
            await self._rest()
        answer = await call
        if last or self.over.is_set():
            await self._rest()
        return answer

    async def _rest(self) -> None:
        self.over.set()
        await asyncio.Event().wait()


class MortalRecords(FragileRecords):
    life: Life

    async def volumes(self) -> Mapping[VolumeName, VolumeRecord]:
        return await self.life.around(super().volumes())

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        return await self.life.around(super().replace_volume(record))

    async def delete_volume(self, record: VolumeRecord) -> None:
        await self.life.around(super().delete_volume(record))

    async def leadership(self) -> Leadership | None:
        return await self.life.around(super().leadership())

    async def replace_leadership(self, leadership: Leadership) -> Leadership | Stale:
        return await self.life.around(super().replace_leadership(leadership))


class MortalDriver(MemoryDriver):
    life: Life

    async def _read(self, call: Call) -> None:
        await self.life.around(super()._read(call))

    async def _ask(self, call: Call, steps: Sequence[Callable[[], Outcome]]) -> Sequence[Outcome]:
        return await self.life.around(super()._ask(call, steps))


class JudgedStorage(MemoryStorage):
    """
    Where the truth is: here a second writer, a disk on two VMs, or a lost disk cannot go unseen.

    What a late call breaks has no caller any more whom an error would reach: so it is noted, too.
    """

    records: MemoryStore

    def __init__(self) -> None:
        super().__init__()
        self.broken: list[str] = []

    def _law(self, kept: bool, why: str) -> None:
        if not kept:
            self.broken.append(why)
        assert kept, why

    def write(self, vm: VmId, disk: DiskId) -> None:
        super().write(vm, disk)
        self._law(self.writers(disk) == (vm,), f"two write to {disk}: {self.writers(disk)}")

    def attach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        outcome = super().attach(disk, vm, epoch)
        self._law(len(self.attached[disk]) <= 1, f"{disk} is on {self.attached[disk]}")
        return outcome

    def detach(self, disk: DiskId, vm: VmId, epoch: Epoch) -> Outcome:
        writes, why = disk in self.vms[vm].writing, f"VM {vm} was to lose {disk} (epoch {epoch}), but it writes"
        if self._cannot(vm, epoch) is None:  # a late call of an older epoch is refused, and may say what it likes
            self._law(not writes, why)
        outcome = super().detach(disk, vm, epoch)
        assert not writes, why
        return outcome

    def delete(self, disk: DiskId) -> Outcome:
        for record in self.records.volumes.values():
            doomed = record.phase is Phase.DELETING and not record.grants
            self._law(record.disk != disk or doomed, f"{disk} of {record.name} is deleted, but nobody removed it")
        return super().delete(disk)


class RoughGate(FakeGate):
    """A gate and the Docker of its node: they go on with what they have while nobody can be reached (``cut``)."""

    cluster: RoughCluster
    cut = False
    slow = 0.0  # seconds between a grant's arrival and its use

    def __init__(self, cluster: RoughCluster, node: NodeId, boot: str) -> None:
        super().__init__(cluster, node, boot)
        self.cluster = cluster
        self._using: dict[VolumeName, DiskId] = {}

    def sync(self, formatted: VolumeName | None = None) -> Sync:
        said = super().sync(formatted)
        told = tuple(msgspec.structs.replace(each, formatted=each.mounts > 0) for each in said.volumes)
        return msgspec.structs.replace(said, volumes=told)

    @property
    def reached(self) -> Gatekeeper | None:
        return None if self.cut or self.frozen else self.cluster.acting

    async def talk(self) -> None:
        while not self.frozen:
            await self._once(self.sync())

    async def _once(self, sync: Sync) -> None:
        keeper = self.reached
        answer = None if keeper is None else await _within(keeper.sync(self.node, sync))
        if answer is None or isinstance(answer, No) or self.reached is None:
            await asyncio.sleep(0.5)
            return
        for order in answer.releases:
            name = VolumeName(order.volume)
            if name not in self.running:
                self.floor[name] = max(self.floor.get(name, 0), order.serial, self.mounted.pop(name, 0))

    async def obey_swarm(self) -> None:
        """Swarm's agent: starts and ends the containers of this node, while Swarm reaches it."""
        while not self.frozen:
            await asyncio.sleep(0.3)
            wants = self.cluster.swarm.wants
            for name in [] if self.cut else [*self.running]:
                if name not in wants or wants[name][1] != self.node:
                    await self.stop(name)
            for name, (_, node) in [] if self.cut else [*wants.items()]:
                if node == self.node and name not in self.running:
                    await self._mount(name)

    async def stop(self, volume: VolumeName) -> None:
        self.running.discard(volume)
        self.cluster.storage.vms[self.vm].writing.discard(self._using[volume])
        self.floor[volume] = max(self.floor.get(volume, 0), self.mounted.pop(volume, 0))

    async def _mount(self, name: VolumeName) -> None:
        keeper = self.reached
        request = MountRequest(name, self.vm, self.boot, wait=5.0)
        answer = None if keeper is None else await _within(keeper.mount(self.node, request))
        await asyncio.sleep(self.slow)
        if not isinstance(answer, MountGrant) or self.frozen or answer.serial <= self.floor.get(name, 0):
            return
        disk = DiskId(answer.by_id[0].removeprefix("reberth-"))
        if self.vm not in self.cluster.storage.attached.get(disk, set()):
            return  # the gate waits for the device in vain
        assert answer.may_format or disk in self.cluster.formatted, f"{disk} is blank, but may not be formatted"
        self.cluster.formatted.add(disk)  # only what is blank: a real gate looks first
        self.cluster.storage.write(self.vm, disk)
        self.mounted[name] = answer.serial
        self.running.add(name)
        self._using[name] = disk
        keeper = self.reached
        if keeper is not None:
            await _within(keeper.sync(self.node, replace_wait(self.sync())))


async def _within(answer: Coroutine[None, None, T]) -> T | None:
    """A gate's client gives up some time; the controller may have died over the request."""
    try:
        async with asyncio.timeout(CLIENT_DEADLINE):
            return await answer
    except (TimeoutError, RecordsUnavailable):
        return None


@dataclass
class Process:
    controller: Controller
    life: Life
    loop: asyncio.Task[None] | None = None


@dataclass
class Serving:
    """A volume that is not where it should be when everything was mended long ago."""

    volume: VolumeName
    why: str


class RoughCluster(FakeCluster):
    def __init__(self, group: asyncio.TaskGroup, volumes: int, nodes: int = 3) -> None:
        self.formatted: set[DiskId] = set()
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []
        self._births = 0
        self._placed = 0
        self.processes: list[Process] = []
        self.judge = storage = JudgedStorage()
        super().__init__(
            storage=storage, nodes=[f"{letter}{tens or ''}" for tens in range(6) for letter in "abcdefghij"][:nodes]
        )
        storage.records = self.store
        self.storage.seconds = 0.05
        self._rough = {node: RoughGate(self, node, f"boot-{node}-1") for node in self.gates}
        self.names = [VolumeName(f"data-{number}") for number in range(volumes)]

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.append(task)
        return task

    def clients(self) -> tuple[FragileRecords, MemoryDriver]:
        records, driver = MortalRecords(self.store), MortalDriver(self.storage)
        records.life = driver.life = Life()
        return records, driver

    def begin(self) -> None:
        for gate in self._rough.values():
            self.spawn(gate.talk())
            self.spawn(gate.obey_swarm())
        for node in self.gates:
            self.spawn(self._watch(node))
        self.spawn(self._lead())

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    # Swarm

    def place(self, volume: VolumeName, node: NodeId) -> None:
        self._placed += 1
        self.swarm.wants[volume] = (TaskId(f"t{self._placed}"), node)
        if self.processes:
            self.processes[-1].controller.poke("a task was placed")

    async def _watch(self, node: NodeId) -> None:
        """Swarm calls a node down that it did not hear for a while, and places its tasks elsewhere."""
        unheard = 0.0
        while True:
            await asyncio.sleep(1.0)
            gate = self._rough[node]
            unheard = unheard + 1.0 if gate.cut or gate.frozen else 0.0
            self.down(node, NodeState.READY if unheard < UNHEARD else NodeState.DOWN)
            ready = sorted(each.id for each in self.swarm.nodes.values() if each.state is NodeState.READY)
            for name, (_, where) in [*self.swarm.wants.items()]:
                if where == node and unheard >= UNHEARD and ready:
                    self.place(name, ready[0])

    async def _lead(self) -> None:
        """There is always somebody who acts, soon after the one before him has died or was deposed."""
        while True:
            process = self.processes[-1] if self.processes else None
            if process is None or process.life.over.is_set():
                await self.take_over()
            elif process.controller.lead.epoch is None:
                await self._take(process.controller)
            await asyncio.sleep(1.0)

    async def take_over(self) -> None:
        """Another controller acts from now on; the one before is not asked, and may think that it still does."""
        self._births += 1
        controller = self.controller("abc"[self._births % 3])
        assert isinstance(controller.records, MortalRecords)
        process = Process(controller, controller.records.life)
        self.processes.append(process)
        await self._take(controller)
        self.acting = controller.keeper
        process.loop = self.spawn(controller.loop.run())
        self.spawn(self._bury(process))

    async def _take(self, controller: Controller) -> None:
        for _ in range(20):
            try:
                if await controller.lead.take():
                    return
            except RecordsUnavailable:
                await asyncio.sleep(0.5)

    async def _bury(self, process: Process) -> None:
        await process.life.over.wait()
        if process.loop is not None:
            process.loop.cancel()
        if self.acting is process.controller.keeper:
            self.acting = None

    # Events

    def gate(self, node: NodeId) -> RoughGate:
        return self._rough[node]

    def crash_node(self, node: NodeId) -> None:
        self._rough[node].frozen = True
        self.storage.switch(VmId(f"vm-{node}"), Power.OFF)

    def boot_node(self, node: NodeId) -> None:
        vm = VmId(f"vm-{node}")
        self._births += 1
        old = self._rough[node]
        if not old.frozen and self.storage.vms[vm].power is Power.ON:
            return
        old.frozen = True  # a fence switched its VM off
        self.storage.switch(vm, Power.ON)
        gate = self._rough[node] = RoughGate(self, node, f"boot-{node}-{self._births}")
        self.spawn(gate.talk())
        self.spawn(gate.obey_swarm())

    def remove(self, volume: VolumeName) -> None:
        """Its service goes, then the volume, and both come back when it is gone."""
        if self.swarm.wants.pop(volume, None) is not None:
            self.spawn(self._remove(volume))

    async def _remove(self, volume: VolumeName) -> None:
        gone = False
        while volume not in self.swarm.wants:
            await asyncio.sleep(0.7)
            catalogue = self.processes[-1].controller.catalogue
            if not gone:
                await _within(catalogue.remove(RemoveVolume(volume)))
                gone = volume not in self.store.volumes
            elif isinstance(await _within(catalogue.create(CreateVolume(volume, {"size": "1GiB"}))), Volume):
                ready = [each.id for each in self.swarm.nodes.values() if each.state is NodeState.READY]
                self.place(volume, ready[-1] if ready else NodeId("a"))

    def notice_fences(self) -> None:
        """A VM that was switched off has no gate and no containers."""
        for gate in self._rough.values():
            if self.is_off(gate.vm):
                gate.frozen = True

    def mend(self) -> None:
        self.storage.away = False
        for process in self.processes:
            process.life.spare()
        for node in self.gates:
            self.storage.vms[VmId(f"vm-{node}")].connected = True
            self.notice_fences()
            self.boot_node(node)
            self._rough[node].cut, self._rough[node].slow = False, 0.0

    def unserved(self) -> list[Serving]:
        """Volumes that are not written by exactly the VM of their claim."""
        found = []
        for name in self.names:
            _, node = self.swarm.wants.get(name, (None, None))
            if node is None or self.writers(name) != (VmId(f"vm-{node}"),):
                found.append(Serving(name, self.processes[-1].controller.board.why(name)))
        return found
