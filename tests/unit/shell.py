"""
A whole controller on memory, for tests under looptime: real loop, plan, executor, gatekeeper, records and driver.

Only Swarm and the gates are played: Swarm by a table of nodes and tasks, a gate by a coroutine that mounts what it is
granted and lets go what it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from controller.answers import No
from controller.board import Board, Poke
from controller.catalogue import Catalogue
from controller.desk import Desk
from controller.execute import Executor
from controller.gatekeeper import Gatekeeper
from controller.gates import Gates
from controller.memory_records import Call, Fault, MemoryRecords, MemoryStore
from controller.model import (
    Claim,
    ClaimTask,
    Epoch,
    HistoryEntry,
    Moment,
    Node,
    NodeId,
    NodeState,
    Power,
    Refusal,
    Spec,
    TaskId,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.observe import Observer, Sources
from controller.plan import plan
from controller.reconcile import Pace, Parts, Planner, Reconciler
from controller.records import Leadership, Stale, SwarmUnread
from controller.scribe import Scribe
from controller.settings import Settings
from controller.wire import CreateVolume, MountGrant, MountRequest, Pending, Sync, VolumeReport
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage

WALL = 1_700_000_000.0
DATA = VolumeName("data")


@dataclass
class FakeSwarm:
    """Swarm's nodes and where its tasks are: ``wants[volume] = (task, node)``."""

    nodes: dict[NodeId, Node] = field(default_factory=dict)
    wants: dict[VolumeName, tuple[TaskId, NodeId]] = field(default_factory=dict)
    refused: dict[VolumeName, tuple[Refusal, ...]] = field(default_factory=dict)
    started: set[TaskId] = field(default_factory=set)
    services: dict[VolumeName, tuple[str, ...]] = field(default_factory=dict)
    unread: bool = False

    async def snapshot(self) -> FakeSwarm:
        await asyncio.sleep(0)
        if self.unread:
            raise SwarmUnread("the swarm has no leader")
        return FakeSwarm(dict(self.nodes), dict(self.wants), dict(self.refused), set(self.started), dict(self.services))

    def claims(self, specs: Mapping[VolumeName, Spec], holders: Mapping[VolumeName, str]) -> Mapping[VolumeName, Claim]:
        claims = {name: Claim(name, None, (), services=users) for name, users in self.services.items()}
        for name, (task, node) in self.wants.items():
            tasks = (ClaimTask(task, f"service-{name}", node, started=task in self.started),)
            claims[name] = Claim(name, node, tasks, refused=self.refused.get(name, ()))
        return claims


class FragileRecords(MemoryRecords):
    """Fails the n-th call from now, and can end the whole controller after some writes."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._countdown: tuple[Call, int, Fault] | None = None
        self.writes_left: int | None = None
        self.killed = asyncio.Event()

    def fail_nth(self, call: Call, nth: int, fault: Fault) -> None:
        """``nth`` 0 is the next one."""
        self._countdown = (call, nth, fault)

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        if self._countdown is not None:
            call, left, fault = self._countdown
            self._countdown = (call, left - 1, fault) if left else None
            if not left:
                self.fail(call, fault)
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left <= 0:
                self.killed.set()
                await asyncio.Event().wait()
        return await super().replace_volume(record)


class FakeLead:
    """Leadership by hand, on the real record, so that a rival deposes us as in life."""

    def __init__(self, records: MemoryRecords, me: NodeId) -> None:
        self._records = records
        self._me = me
        self.epoch: Epoch | None = None
        self.paused: str | None = None

    async def take(self) -> bool:
        before = await self._records.leadership()
        epoch = Epoch(1 if before is None else before.epoch + 1)
        version = 0 if before is None else before.version
        written = await self._records.replace_leadership(Leadership(epoch, self._me, "here:1", version=version))
        self.epoch = None if isinstance(written, Stale) else epoch
        return self.epoch is not None

    async def still_acting(self, epoch: Epoch) -> bool:
        found = await self._records.leadership()
        acting = found is not None and found.epoch == epoch and found.holder == self._me
        if not acting and self.epoch == epoch:
            self.epoch = None
        return acting

    async def new_epoch(self) -> bool:
        """As the real one: whoever was deposed does not depose in turn."""
        return self.epoch is not None and await self.still_acting(self.epoch) and await self.take()

    async def pause(self, reason: str | None) -> bool:
        self.paused = reason
        return True


class FakeGate:
    """One node's gate, in one boot: it mounts what Swarm's task wants and it is granted."""

    def __init__(self, cluster: FakeCluster, node: NodeId, boot: str) -> None:
        self.cluster = cluster
        self.node = node
        self.vm = VmId(f"vm-{node}")
        self.boot = boot
        self.mounted: dict[VolumeName, int] = {}
        self.floor: dict[VolumeName, int] = {}
        self.running: set[VolumeName] = set()  # containers that use a volume
        self.formatted: list[VolumeName] = []
        self.answers: list[str] = []
        self.frozen = False

    def sync(self, formatted: VolumeName | None = None) -> Sync:
        names = sorted({*self.mounted, *self.floor, *([formatted] if formatted else [])})
        return Sync(
            vm=self.vm,
            boot=self.boot,
            version="test",
            wait=20.0,
            volumes=tuple(
                VolumeReport(
                    name,
                    "mounted" if name in self.mounted else "unmounted",
                    max(self.mounted.get(name, 0), self.floor.get(name, 0)),
                    mounts=int(name in self.mounted),
                    formatted=name == formatted,
                )
                for name in names
            ),
        )

    async def talk(self) -> None:
        """The sync loop."""
        while not self.frozen:
            keeper = self.cluster.acting
            if keeper is None:
                await asyncio.sleep(0.5)
                continue
            answer = await keeper.sync(self.node, self.sync())
            if isinstance(answer, No):
                self.answers.append(answer.why)
                await asyncio.sleep(1.0)
                continue
            for order in answer.releases:
                name = VolumeName(order.volume)
                if name not in self.running:
                    self.floor[name] = max(self.floor.get(name, 0), order.serial, self.mounted.pop(name, 0))

    async def start(self, volume: VolumeName) -> None:
        """Docker's Mount for a task, until it is granted or refused."""
        while not self.frozen and not self.cluster.is_off(self.vm):
            keeper = self.cluster.acting
            if keeper is None:
                await asyncio.sleep(0.1)
                continue
            answer = await keeper.mount(self.node, MountRequest(volume, self.vm, self.boot))
            if isinstance(answer, MountGrant) and answer.serial > self.floor.get(volume, 0):
                await self._use(keeper, volume, answer)
                return
            self.answers.append(answer.why if isinstance(answer, No | Pending) else "an old grant")
            if isinstance(answer, No):
                return
            await asyncio.sleep(0.1)

    async def _use(self, keeper: Gatekeeper, volume: VolumeName, grant: MountGrant) -> None:
        disk = self.cluster.record(volume).disk
        assert disk is not None
        if grant.may_format:
            self.formatted.append(volume)
            assert not isinstance(await keeper.sync(self.node, replace_wait(self.sync(volume))), No)
        self.cluster.storage.write(self.vm, disk)
        self.mounted[volume] = grant.serial
        self.running.add(volume)
        await keeper.sync(self.node, replace_wait(self.sync()))

    async def stop(self, volume: VolumeName) -> None:
        """The container ends; Docker unmounts."""
        self.running.discard(volume)
        self.floor[volume] = max(self.floor.get(volume, 0), self.mounted.pop(volume, 0))
        disk = self.cluster.record(volume).disk
        assert disk is not None
        self.cluster.storage.vms[self.vm].writing.discard(disk)
        if self.cluster.acting is not None:
            await self.cluster.acting.sync(self.node, replace_wait(self.sync()))


def replace_wait(sync: Sync) -> Sync:
    return Sync(sync.vm, sync.boot, sync.version, sync.volumes, wait=0.0)


@dataclass
class Controller:
    board: Board
    poke: Poke
    records: FragileRecords
    lead: FakeLead
    gates: Gates
    keeper: Gatekeeper
    catalogue: Catalogue
    desk: Desk
    loop: Reconciler
    driver: MemoryDriver
    dead: asyncio.Event = field(default_factory=asyncio.Event)


class FakeCluster:
    """Nodes ``a``, ``b``, ``c`` on VMs ``vm-a`` ...; as many controllers as are made; one storage."""

    def __init__(
        self, settings: Settings | None = None, storage: MemoryStorage | None = None, nodes: Iterable[str] = "abc"
    ) -> None:
        self.settings = settings or Settings()
        self.storage = storage or MemoryStorage()
        self.swarm = FakeSwarm()
        self.planner: Planner = plan
        self.store = MemoryStore()
        self.acting: Gatekeeper | None = None
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

        board, poke = Board(clock), Poke()
        records, driver = self.clients()
        gates = Gates(clock, board.changed)
        lead = FakeLead(records, NodeId(name))
        policy = self.settings.planner_policy(self.storage.capabilities)
        observer = Observer(Sources(self.swarm, records, driver, gates), clock, 10.0, policy.gate_fresh)
        deadlines = self.settings.loop.call_deadline, self.settings.loop.clone_deadline
        executor = Executor(Scribe(board, records, wall), driver, lead, *deadlines)
        parts = Parts(
            observer,
            self.planner,
            policy,
            executor,
            lead,
            records,
            gates,
            board,
            poke,
            clock,
            wall,
            lambda: 1.0,
            Pace(),
        )
        keeper = Gatekeeper(board, gates, records, driver, poke, clock, wall)
        catalogue = Catalogue(board, records, poke, clones=self.storage.capabilities.clones)
        desk = Desk(board, records, poke, lead, policy, wall, name)
        return Controller(board, poke, records, lead, gates, keeper, catalogue, desk, Reconciler(parts), driver)

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
    def desk(self) -> Desk:
        return self.one.desk

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
        self.cluster.acting = two.keeper
        self.spawn(two.loop.run())
        return two

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def make(self, volume: VolumeName = DATA) -> None:
        made = await self.one.catalogue.create(CreateVolume(volume, {"size": "1GiB"}))
        assert not isinstance(made, No), made.why

    def want(self, node: str, task: str = "t1", volume: VolumeName = DATA) -> None:
        """Swarm places a task; its container is started there at once."""
        self.cluster.swarm.wants[volume] = (TaskId(task), NodeId(node))
        self.one.poke(f"task {task}")
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
async def scene(cluster: FakeCluster | None = None, gates: str = "abc") -> AsyncIterator[Scene]:
    """A cluster with one acting controller and its gates talking; everything ends with the block."""
    cluster = cluster or FakeCluster()
    controller = cluster.controller()
    async with asyncio.TaskGroup() as group:
        made = Scene(cluster, controller, group)
        await controller.lead.take()
        cluster.acting = controller.keeper
        made.loop = made.spawn(controller.loop.run())
        for each in gates:
            made.spawn(cluster.gates[NodeId(each)].talk())
        try:
            async with asyncio.timeout(600):
                yield made
        finally:
            made.end()
