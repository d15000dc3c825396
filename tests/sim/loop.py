"""
A rough life for the real loop, on memory: nodes die and come back, calls go wrong, controllers are killed at any call.

Reconciler, planner, executor, writer and gatekeeper are the real ones, on the memory driver and memory records. Played
are Swarm (it notices after a while, and places tasks anew), the gates, and a person who removes volumes and makes them
anew. A law is checked where it could be broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace

from controller.model import DiskId, FencePolicy, NodeId, NodeState, Power, TaskId, VmId, VolumeName
from controller.protocol.messages import CreateVolume, RemoveVolume, Volume
from controller.reconciler.nodes.beats import Detector
from controller.records.base import RecordsUnavailable
from controller.settings import PolicySettings, Settings
from drivers.guests import GuestAddresses
from drivers.memory import MemoryDriver
from tests.sim.enforcer import Enforcer, hear_power
from tests.sim.mortal import JudgedStorage, Life, MortalDriver, MortalRecords
from tests.sim.rough_gate import RoughGate, within
from tests.support.fake_swarm import FragileRecords
from tests.support.shell import Controller, FakeCluster

UNHEARD = 10.0  # seconds after which Swarm calls a node down


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
        self._missed: dict[NodeId, float] = {}  # since when
        # In some walks whoever our own detector misses is powered off.
        fence = FencePolicy.POWER_OFF if volumes % 5 == 2 else FencePolicy.DETACH
        super().__init__(
            settings=Settings(policy=PolicySettings(fence=fence)),
            storage=storage,
            nodes=[f"{letter}{tens or ''}" for tens in range(6) for letter in "abcdefghij"][:nodes],
        )
        storage.records = self.store
        self._give_addresses()
        self.storage.seconds = 0.05
        self._rough = {node: RoughGate(self, node, f"boot-{node}-1") for node in self.gates}
        self.names = [VolumeName(f"data-{number}") for number in range(volumes)]
        self.labels.enforce = self._enforcer = Enforcer(self)
        self.swarm.constraints = ("node.labels.reberth!=down",)

    def _give_addresses(self) -> None:
        """The hypervisor knows them by tools in the guests, and Swarm sees the same."""
        for number, node in enumerate(self.gates):
            address = f"10.0.0.{number + 1}"
            self.swarm.nodes[node] = replace(self.swarm.nodes[node], address=address)
            self.storage.vms[VmId(f"vm-{node}")].addresses = GuestAddresses((address,), whole=True)

    def miss(self, node: NodeId) -> None:
        """Our own detector says, for no reason, that a node is silent; or that it is not."""
        if self._missed.pop(node, None) is None:
            self._missed[node] = asyncio.get_running_loop().time()

    def missed_by(self, _: Detector) -> Callable[[], Mapping[NodeId, float]]:
        """Every controller's."""
        clock = asyncio.get_running_loop().time
        return lambda: {node: clock() - at for node, at in self._missed.items()}

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
        if volume in self.swarm.shared:
            self.swarm.shared[volume] = TaskId(f"s{self._placed}")
        self._poke()

    def share(self, volume: VolumeName, *, anew: bool) -> None:
        """A second service has a task on the same node; or it ends, or has another task (``anew``)."""
        self._placed += 1
        if volume in self.swarm.shared and not anew:
            del self.swarm.shared[volume]
        elif volume in self.swarm.wants:
            self.swarm.shared[volume] = TaskId(f"s{self._placed}")
        self._poke()

    def wanted(self, volume: VolumeName, node: NodeId) -> list[TaskId]:
        task, where = self.swarm.wants.get(volume, (None, None))
        return [each for each in (task, self.swarm.shared.get(volume)) if each is not None and where == node]

    def _poke(self) -> None:
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
        self.swarm.shared.pop(volume, None)
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

    def stray(self, volume: VolumeName) -> None:
        """Somebody moves the volume's disk to another file under its VM, or back."""
        record = self.store.volumes.get(volume)
        if record is not None and record.disk is not None and self.storage.odd.pop(record.disk, None) is None:
            self.storage.odd[record.disk] = "somebody has moved it: move it back"

    def notice_fences(self) -> None:
        """A VM that was switched off has no gate and no containers."""
        for gate in self._rough.values():
            if self.is_off(gate.vm):
                gate.frozen = True

    def mend(self) -> None:
        self.storage.away = False
        self.storage.odd.clear()
        self._missed.clear()
        for process in self.processes:
            process.life.spare()
        for node in self.gates:
            self.storage.vms[VmId(f"vm-{node}")].connected = True
            self.notice_fences()
            self.boot_node(node)
            gate = self._rough[node]
            gate.cut, gate.slow, gate.lingers = False, 0.0, 0.0

    def unserved(self) -> list[Serving]:
        """Volumes that are not written by exactly the VM of their claim."""
        found = []
        for name in self.names:
            _, node = self.swarm.wants.get(name, (None, None))
            if node is None or self.writers(name) != (VmId(f"vm-{node}"),) or self._rough[node].lacks(name):
                found.append(Serving(name, self.processes[-1].controller.state.why(name)))
        labelled = [node.id for node in self.swarm.nodes.values() if node.labelled]
        return found + [Serving(VolumeName(node), "it lives and bears the label of the dead") for node in labelled]
