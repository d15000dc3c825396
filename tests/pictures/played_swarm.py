"""The swarm that the pictures are of: three managers as the README makes them, three services with a volume each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from controller.api.doctor_requests import DoctorRequests
from controller.model import DiskId, Epoch, FencePolicy, NodeId, NodeState, VmId, VolumeName
from controller.names import VOLUME_CONFIG, own_version
from controller.protocol.answers import Rejection
from controller.protocol.messages import EngineReport, Hello
from controller.settings import PolicySettings, Settings
from drivers.base import Outcome
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.support.fake_swarm import FragileRecords
from tests.support.healthy_swarm import KEEPER, node, own
from tests.support.shell import Controller, FakeCluster, Scene
from watchers.docker_json import NodeStatus, TaskStatus
from watchers.swarm_facts import ClusterFacts, ConfigReference, NetworkFacts, SwarmFacts, TaskFacts

NODES = ("node1", "node2", "node3")
SHOP, CACHE, BOARDS = VolumeName("shop-postgres"), VolumeName("shop-redis"), VolumeName("grafana")
CALL_SECONDS = 0.3  # of the storage: a call in memory would leave nothing to see of a move
GRACE = 1.0
_ENGINE = EngineReport("26.1.5", "6.1.0", "/var/lib/docker", mtu=1500, root_free=20 << 30)


class _Driver(MemoryDriver):
    def __init__(self, storage: MemoryStorage, attaches: asyncio.Event) -> None:
        super().__init__(storage)
        self._attaches = attaches

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        await self._attaches.wait()
        return await super().attach(disks, vm, epoch)


class Cluster(FakeCluster):
    """Also with what only the doctor and the page's table of nodes ask for."""

    def __init__(self) -> None:
        super().__init__(Settings(policy=PolicySettings(fence=FencePolicy.POWER_OFF, grace=GRACE)), nodes=NODES)
        for name, each in self.swarm.nodes.items():
            self.swarm.nodes[name] = replace(each, hostname=str(name))
        self.storage.seconds = CALL_SECONDS
        self.gate_version = own_version()
        self.attaches = asyncio.Event()  # cleared: an attach is under way for as long as it stays so
        self.attaches.set()

    def clients(self) -> tuple[FragileRecords, MemoryDriver]:
        return FragileRecords(self.store), _Driver(self.storage, self.attaches)

    def controller(self, name: str = NODES[0]) -> Controller:
        made = super().controller(name)
        policy = self.settings.planner_policy(self.storage.capabilities)
        return replace(made, doctor_requests=DoctorRequests(made.state, self.facts(), policy, NodeId(name)))

    def facts(self) -> Callable[[], Coroutine[Any, Any, SwarmFacts]]:
        async def read() -> SwarmFacts:
            return self._facts()

        return read

    def _facts(self) -> SwarmFacts:
        up = [name for name, each in self.swarm.nodes.items() if each.state is NodeState.READY]
        nodes = (node(str(name), leader=name == NODES[0]) for name in self.swarm.nodes)
        states = {str(name): NodeStatus(each.state.value) for name, each in self.swarm.nodes.items()}
        names = (ConfigReference(f"{VOLUME_CONFIG}{record.key}") for record in self.store.volumes.values())
        held = msgspec.structs.replace(KEEPER.spec.task_template.container_spec, configs=tuple(names))
        task = msgspec.structs.replace(KEEPER.spec.task_template, container_spec=held)
        keeper = msgspec.structs.replace(KEEPER, spec=msgspec.structs.replace(KEEPER.spec, task_template=task))
        return SwarmFacts(
            ClusterFacts(),
            tuple(msgspec.structs.replace(each, status=states[each.id]) for each in nodes),
            (own("controller"), own("node"), keeper),
            tuple(TaskFacts("controller", str(name), "running", TaskStatus("running")) for name in up),
            (NetworkFacts("bridge-id", "bridge", "bridge"), NetworkFacts("net-id", "net", "overlay")),
        )


async def greet(made: Scene) -> None:
    """The node services say how their gates are."""
    for name, gate in made.cluster.gates.items():
        engine = msgspec.structs.replace(_ENGINE, clock=made.one.state.wall())
        hello = Hello(gate.vm, gate.boot, str(name), "running", 8, engine)
        assert not isinstance(await made.one.gate_requests.hello(name, hello), Rejection)
