"""
A rough life for the real loop, on memory: nodes die and come back, calls go wrong, controllers are killed at any call.

Reconciler, planner, executor, writer and gatekeeper are the real ones, on the memory driver and memory records. Played
are Swarm (it notices after a while, and places tasks anew), the gates, and a person who removes volumes and makes them
anew. A law is checked where it could be broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from controller.api.gate_requests import GateRequests
from controller.model import DiskId, NodeId, NodeState, Power, TaskId, VmId, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume, MountGrant, MountRequest, RemoveVolume, Sync, Volume
from controller.records.base import RecordsUnavailable
from drivers.memory import MemoryDriver
from tests.sim.enforcer import Enforcer, hear_power
from tests.sim.mortal import JudgedStorage, Life, MortalDriver, MortalRecords
from tests.support.fake_gate import FakeGate, replace_wait
from tests.support.fake_swarm import FragileRecords
from tests.support.shell import Controller, FakeCluster

T = TypeVar("T")
UNHEARD = 10.0  # seconds after which Swarm calls a node down
CLIENT_DEADLINE = 45.0  # seconds after which a gate gives up on an answer


class RoughGate(FakeGate):
    """A gate and the Docker of its node: they go on with what they have while nobody can be reached (``cut``)."""

    cluster: RoughCluster
    cut = False
    slow = 0.0  # seconds between a grant's arrival and its use

    def __init__(self, cluster: RoughCluster, node: NodeId, boot: str) -> None:
        super().__init__(cluster, node, boot)
        self.cluster = cluster
        self._using: dict[VolumeName, DiskId] = {}
        self._tasks: dict[VolumeName, TaskId] = {}  # whose container runs

    def sync(self, formatted: VolumeName | None = None) -> Sync:
        said = super().sync(formatted)
        told = tuple(msgspec.structs.replace(each, formatted=each.mounts > 0) for each in said.volumes)
        return msgspec.structs.replace(said, volumes=told)

    @property
    def reached(self) -> GateRequests | None:
        return None if self.cut or self.frozen else self.cluster.acting

    async def talk(self) -> None:
        while not self.frozen:
            await self._once(self.sync())

    async def _once(self, sync: Sync) -> None:
        gate_requests = self.reached
        answer = None if gate_requests is None else await within(gate_requests.sync(self.node, sync))
        if answer is None or isinstance(answer, Rejection) or self.reached is None:
            await asyncio.sleep(0.5)
            return
        for order in answer.releases:
            name = VolumeName(order.volume)
            self.floor[name] = max(self.floor.get(name, 0), order.serial)
            if name not in self.running:
                self.floor[name] = max(self.floor[name], self.mounted.pop(name, 0))

    async def obey_swarm(self) -> None:
        """Swarm's agent: starts and ends the containers of this node, while Swarm reaches it."""
        while not self.frozen:
            await asyncio.sleep(0.3)
            wants = self.cluster.swarm.wants
            for name in [] if self.cut else [*self.running]:
                if wants.get(name) != (self._tasks[name], self.node):
                    await self.stop(name)
            for name, (task, node) in [] if self.cut else [*wants.items()]:
                if node == self.node and name not in self.running:
                    await self._mount(name, task)

    async def stop(self, volume: VolumeName) -> None:
        self.running.discard(volume)
        self.cluster.storage.vms[self.vm].writing.discard(self._using[volume])
        self.floor[volume] = max(self.floor.get(volume, 0), self.mounted.pop(volume, 0))

    async def _mount(self, name: VolumeName, task: TaskId) -> None:
        gate_requests = self.reached
        request = MountRequest(name, self.vm, self.boot, wait=5.0)
        answer = None if gate_requests is None else await within(gate_requests.mount(self.node, request))
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
        self._using[name], self._tasks[name] = disk, task
        gate_requests = self.reached
        if gate_requests is not None:
            await within(gate_requests.sync(self.node, replace_wait(self.sync())))


async def within(answer: Coroutine[None, None, T]) -> T | None:
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
        self.labels.enforce = self._enforcer = Enforcer(self)

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

    def place(self, volume: VolumeName, node: NodeId) -> None:
        self._placed += 1
        self.swarm.wants[volume] = (TaskId(f"t{self._placed}"), node)
        if self.processes:
            self.processes[-1].controller.state.wakeup("a task was placed")

    async def _watch(self, node: NodeId) -> None:
        """Swarm calls a node down that it did not hear for a while, and places its tasks elsewhere."""
        unheard = 0.0
        while True:
            await asyncio.sleep(1.0)
            gate = self._rough[node]
            unheard = unheard + 1.0 if gate.cut or gate.frozen else 0.0
            self.down(node, NodeState.READY if unheard < UNHEARD else NodeState.DOWN)
            ready = self._ready()
            for name, (_, where) in [*self.swarm.wants.items()]:
                if where == node and unheard >= UNHEARD and ready:
                    self.place(name, ready[0])

    def _ready(self) -> list[NodeId]:
        found = (each for each in self.swarm.nodes.values() if each.id in self.gates and not each.labelled)
        return sorted(each.id for each in found if each.state is NodeState.READY)

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
        controller = self.controller("abc"[self.birth() % 3])
        assert isinstance(controller.records, MortalRecords)
        process = Process(controller, controller.records.life)
        self.processes.append(process)
        await self._take(controller)
        self.acting = controller.gate_requests
        process.loop = self.spawn(controller.loop.run())
        self.spawn(hear_power(controller))
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
        if self.acting is process.controller.gate_requests:
            self.acting = None

    def gate(self, node: NodeId) -> RoughGate:
        return self._rough[node]

    def crash_node(self, node: NodeId) -> None:
        self._rough[node].frozen = True
        self.storage.switch(VmId(f"vm-{node}"), Power.OFF)

    def boot_node(self, node: NodeId) -> None:
        vm = VmId(f"vm-{node}")
        old = self._rough[node]
        if not old.frozen and self.storage.vms[vm].power is Power.ON:
            return
        old.frozen = True  # a fence switched its VM off
        self.storage.switch(vm, Power.ON)
        self._enforcer.booted(node)
        gate = self._rough[node] = RoughGate(self, node, f"boot-{node}-{self.birth()}")
        self.spawn(gate.talk())
        self.spawn(gate.obey_swarm())

    def birth(self) -> int:
        self._births += 1
        return self._births

    def remove(self, volume: VolumeName) -> None:
        """Its service goes, then the volume, and both come back when it is gone."""
        if self.swarm.wants.pop(volume, None) is not None:
            self.spawn(self._remove(volume))

    async def _remove(self, volume: VolumeName) -> None:
        gone = False
        while volume not in self.swarm.wants:
            await asyncio.sleep(0.7)
            volume_requests = self.processes[-1].controller.volume_requests
            if not gone:
                await within(volume_requests.remove(RemoveVolume(volume)))
                gone = volume not in self.store.volumes
            elif isinstance(await within(volume_requests.create(CreateVolume(volume, {"size": "1GiB"}))), Volume):
                ready = self._ready()
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
                found.append(Serving(name, self.processes[-1].controller.state.why(name)))
        labelled = [node.id for node in self.swarm.nodes.values() if node.labelled]
        return found + [Serving(VolumeName(node), "it lives and bears the label of the dead") for node in labelled]
