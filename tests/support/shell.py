"""
A whole controller on memory, for tests under looptime: real loop, plan, executor, gatekeeper, records and driver.

Only Swarm and the gates are played: Swarm by a table of nodes and tasks, a gate by a coroutine that mounts what it is
granted and lets go what it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from controller.api.changes.growth import GrowthRequests
from controller.api.changes.snapshots import SnapshotRequests
from controller.api.doctor_requests import DoctorRequests
from controller.api.gate_requests import GateRequests
from controller.api.metrics.meters import Meters
from controller.api.moving.moves import MoveRequests
from controller.api.node_registry import Believing, Hypervisor, NodeRegistry
from controller.api.operator_requests import OperatorRequests
from controller.api.orders.fencing import FenceRequests
from controller.api.recovery.adoption import AdoptionRequests
from controller.api.recovery.backup import BackupRequests
from controller.api.recovery.undelete import UndeleteRequests
from controller.api.routes import Route
from controller.api.volume_requests import VolumeRequests
from controller.model import (
    DriverOption,
    HistoryEntry,
    Moment,
    Node,
    NodeId,
    NodeState,
    Power,
    TaskId,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.planner.plan import decide
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume
from controller.reconciler.executor import Executor
from controller.reconciler.nodes.beats import Detector
from controller.reconciler.nodes.label_writer import LabelWriter
from controller.reconciler.observer import Observer, Sources
from controller.reconciler.reconciler import Parts, Planner, Reconciler
from controller.reconciler.record_writer import RecordWriter
from controller.reconciler.state import LoopState
from controller.reconciler.storage_actions import Deadlines, StorageActions
from controller.reconciler.wakeups import Urgent
from controller.records.memory import MemoryStore
from controller.settings import Settings
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.support.fake_gate import FakeGate
from tests.support.fake_placements import FakePlacements
from tests.support.fake_swarm import FakeLead, FakeSwarm, FragileRecords
from tests.support.node_labels import FakeNodeLabels
from watchers.swarm_facts import SwarmFacts

WALL = 1_700_000_000.0
DATA = VolumeName("data")


@dataclass
class Controller:
    state: LoopState
    records: FragileRecords
    lead: FakeLead
    gate_requests: GateRequests
    volume_requests: VolumeRequests
    operator_requests: OperatorRequests
    doctor_requests: DoctorRequests
    adoption_requests: AdoptionRequests
    undelete_requests: UndeleteRequests
    backup_requests: BackupRequests
    move_requests: MoveRequests
    growth_requests: GrowthRequests
    fence_requests: FenceRequests
    loop: Reconciler
    driver: MemoryDriver
    detector: Detector
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[Route]:
        parts = (
            self.volume_requests,
            self.gate_requests,
            self.operator_requests,
            self.doctor_requests,
            self.adoption_requests,
            self.undelete_requests,
            self.backup_requests,
            self.move_requests,
            self.growth_requests,
            self.fence_requests,
            SnapshotRequests(self.state, self.records, self.driver),
        )
        return [each for part in parts for each in part.routes()]


async def no_swarm_facts() -> SwarmFacts:
    return SwarmFacts()


class FakeCluster:
    """Nodes ``a``, ``b``, ``c`` on VMs ``vm-a`` ...; as many controllers as are made; one storage."""

    def __init__(
        self, settings: Settings | None = None, storage: MemoryStorage | None = None, nodes: Iterable[str] = "abc"
    ) -> None:
        self.settings = settings or Settings()
        self.storage = storage or MemoryStorage()
        self.swarm = FakeSwarm()
        self.labels = FakeNodeLabels(self.swarm.nodes)
        self.placements = FakePlacements(self.swarm.nodes)
        self.planner: Planner = decide
        self.believing = Believing()
        self.keep_removed = 0.0  # seconds
        self.gate_version = "test"
        self.options: tuple[DriverOption, ...] = ()  # that the storage driver declares
        self.store = MemoryStore()
        self.acting: GateRequests | None = None
        self.gates: dict[NodeId, FakeGate] = {}
        for name in nodes:
            node = NodeId(name)
            self.swarm.nodes[node] = Node(node, f"host-{name}", NodeState.READY, manager=True)
            self.storage.add_vm(VmId(f"vm-{name}"))
            self.gates[node] = FakeGate(self, node, f"boot-{name}-1")

    def controller(self, name: str = "a") -> Controller:
        clock = asyncio.get_running_loop().time

        def wall() -> float:
            return WALL + clock()

        state = LoopState(clock, wall)
        records, driver = self.clients()
        lead = FakeLead(records, NodeId(name))
        policy = self.settings.planner_policy(self.storage.capabilities)
        detector = Detector(state, lead, policy, NodeId(name), Meters())
        sources = Sources(
            self.swarm, records, driver, driver, state.gates, suspects=state.suspects, silent=self.missed_by(detector)
        )
        observer = Observer(sources, clock, 10.0, policy.gate_fresh, state.no_later)
        writer = RecordWriter(state, records)
        deadlines = Deadlines(self.settings.loop.call_deadline, self.settings.loop.clone_deadline)
        executor = Executor(writer, StorageActions(writer, driver, driver, lead, deadlines))
        labels = LabelWriter(self.labels, lead, writer, Meters(), clock)
        loop = Reconciler(Parts(observer, self.planner, policy, executor, lead, records, state, labels=labels))
        believing = replace(self.believing, addresses=policy.node_addresses)
        registry = NodeRegistry(state, records, Hypervisor(driver, driver), believing)
        gate_requests = GateRequests(state, records, driver, registry, beats=detector.beat)
        volume_requests = VolumeRequests(state, records, driver=driver, keep=self.keep_removed, options=self.options)
        operator_requests = OperatorRequests(state, records, lead, policy, name)
        doctor = DoctorRequests(state, no_swarm_facts, policy, NodeId(name))
        adoption = AdoptionRequests(state, records, driver, policy)
        undelete = UndeleteRequests(state, records)
        backup = BackupRequests(state, records, driver, policy, lead)
        move = MoveRequests(state, self.placements, policy)
        growth = GrowthRequests(state, records, driver)
        fencing = FenceRequests(state, records, executor, policy, NodeId(name))
        parts = (gate_requests, volume_requests, operator_requests, doctor, adoption, undelete, backup, move, growth)
        return Controller(state, records, lead, *parts, fencing, loop, driver, detector)

    def missed_by(self, detector: Detector) -> Callable[[], Mapping[NodeId, float]]:
        """What says which nodes are silent, for how many seconds."""
        return detector.suspected

    def clients(self) -> tuple[FragileRecords, MemoryDriver]:
        """A new controller's ways to the records and to the storage."""
        return FragileRecords(self.store), MemoryDriver(self.storage)

    def record(self, volume: VolumeName = DATA) -> VolumeRecord:
        return self.store.volumes[volume]

    def is_off(self, vm: VmId) -> bool:
        return self.storage.vms[vm].power is Power.OFF

    def moments(self, volume: VolumeName = DATA) -> list[Moment]:
        return [each.moment for each in self.record(volume).history]

    def entry(self, moment: Moment, volume: VolumeName = DATA) -> HistoryEntry:
        """The newest entry of a kind."""
        return next(each for each in reversed(self.record(volume).history) if each.moment is moment)

    def writers(self, volume: VolumeName = DATA) -> tuple[VmId, ...]:
        disk = self.record(volume).disk
        return () if disk is None else self.storage.writers(disk)

    def crash(self, node: str) -> None:
        """The node's VM loses its power, its gate with it. Swarm does not know yet."""
        self.gates[NodeId(node)].frozen = True
        self.storage.switch(VmId(f"vm-{node}"), Power.OFF)

    def down(self, node: str, state: NodeState = NodeState.DOWN) -> None:
        self.swarm.nodes[NodeId(node)] = replace(self.swarm.nodes[NodeId(node)], state=state)


@dataclass
class Scene:
    cluster: FakeCluster
    one: Controller
    _group: asyncio.TaskGroup
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    loop: asyncio.Task[None] = field(init=False)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.append(task)
        return task

    @property
    def operator_requests(self) -> OperatorRequests:
        return self.one.operator_requests

    def boot(self, node: str, boot: str) -> None:
        """The node comes back with a new kernel; its gate knows nothing of before."""
        self.cluster.storage.switch(VmId(f"vm-{node}"), Power.ON)
        self.cluster.down(node, NodeState.READY)
        gate = self.cluster.gates[NodeId(node)] = FakeGate(self.cluster, NodeId(node), boot)
        self.spawn(gate.talk())

    def die_after(self, writes: int) -> None:
        """The acting controller's process ends in place of its so-many-th write of a record from now."""
        self.one.records.writes_left = writes
        self.spawn(self._die())

    async def _die(self) -> None:
        await self.one.records.killed.wait()
        self.loop.cancel()
        self.cluster.acting = None
        self.one.dead.set()

    async def take_over(self, name: str) -> Controller:
        """Another controller acts from now on."""
        two = self.cluster.controller(name)
        await two.lead.take()
        self.cluster.acting = two.gate_requests
        self.spawn(two.loop.run())
        self.spawn(two.detector.run())
        return two

    async def watch(self, controller: Controller) -> None:
        """The hypervisor's events reach this controller."""
        async for event in controller.driver.watch_power():
            if event.vm is not None:
                controller.state.suspects.add(event.vm)
            controller.state.wakeup.press(Urgent.POWER, "an event of the hypervisor")

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def make(self, volume: VolumeName = DATA) -> None:
        made = await self.one.volume_requests.create(CreateVolume(volume, {"size": "1GiB"}))
        assert not isinstance(made, Rejection), made.why

    def want(self, node: str, task: str = "t1", volume: VolumeName = DATA) -> None:
        """Swarm places a task; its container is started there at once."""
        self.cluster.swarm.wants[volume] = (TaskId(task), NodeId(node))
        self.one.state.wakeup.press(Urgent.PLACED, f"task {task}")
        self.spawn(self.cluster.gates[NodeId(node)].start(volume))

    async def until(self, writers: tuple[str, ...], volume: VolumeName = DATA) -> None:
        """Until exactly these nodes write; two at once are never allowed."""
        while True:
            now = self.cluster.writers(volume)
            assert len(now) <= 1, now
            if now == tuple(f"vm-{each}" for each in writers):
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def scene(cluster: FakeCluster | None = None, gates: Iterable[str] = "abc") -> AsyncIterator[Scene]:
    """A cluster with one acting controller and its gates talking; everything ends with the block."""
    cluster = cluster or FakeCluster()
    controller = cluster.controller()
    async with asyncio.TaskGroup() as group:
        made = Scene(cluster, controller, group)
        await controller.lead.take()
        cluster.acting = controller.gate_requests
        made.loop = made.spawn(controller.loop.run())
        made.spawn(controller.detector.run())
        for each in gates:
            made.spawn(cluster.gates[NodeId(each)].talk())
        try:
            async with asyncio.timeout(600):
                yield made
        finally:
            made.end()
