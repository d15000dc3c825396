"""`reberth doctor` and `reberth upgrade`: what Swarm says, what nodes reported and what the loop knows, examined."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from controller.api.routes import Route, route
from controller.api.status import status
from controller.api.viewing.warnings import fullness, is_full
from controller.doctor.checks import CHECKS
from controller.doctor.findings import Facts, NodeReport, examine
from controller.doctor.upgrading import examined
from controller.model import NodeId, Policy, VolumeKey
from controller.names import own_version
from controller.protocol import operator
from controller.protocol.answers import Rejection, unavailable
from controller.protocol.messages import Hello
from controller.protocol.views import DoctorView, FindingView, UpgradeView
from controller.reconciler.state import LoopState
from drivers.base import DriverError, Room, Roomy, StorageDriver
from watchers.base import SwarmUnread
from watchers.swarm_facts import EngineFacts, SwarmFacts


class DoctorRequests:
    """
    ``swarm`` reads it afresh; it raises SwarmUnread. ``me``: this controller's node. ``driver``: the storage's, which
    may tell the room for disks within ``deadline`` seconds.
    """

    def __init__(
        self,
        state: LoopState,
        swarm: Callable[[], Awaitable[SwarmFacts]],
        policy: Policy,
        me: NodeId,
        driver: StorageDriver | None = None,
        deadline: float = 10.0,
    ) -> None:
        self._state = state
        self._swarm = swarm
        self._policy = policy
        self._me = me
        self._driver = driver
        self._deadline = deadline

    def routes(self) -> Iterable[Route]:
        yield route(operator.DOCTOR, lambda _, __: self.examine())
        yield route(operator.UPGRADE, lambda _, __: self.upgrade())

    async def examine(self) -> DoctorView | Rejection:
        try:
            facts = await self._facts()
        except SwarmUnread as error:
            return unavailable(error)
        return DoctorView(
            tuple(
                FindingView(each.code, each.severity.value, each.subject, each.text, each.cure)
                for each in examine(facts, CHECKS)
            )
        )

    async def upgrade(self) -> UpgradeView | Rejection:
        """By a look of its own: a failover may have begun a moment ago."""
        self._state.wakeup("a person asks")
        await self._state.fresh_look(self._deadline)
        try:
            facts = await self._facts()
        except SwarmUnread as error:
            return unavailable(error)
        state = self._state
        told = status(state, self._policy, self._me)
        return examined(facts, self._me, () if told is None else told.volumes, state.growing, state.wall())

    async def _facts(self) -> Facts:
        """Raises SwarmUnread."""
        swarm, state = await self._swarm(), self._state
        usages = state.gates.usages()
        async with asyncio.TaskGroup() as group:
            rooms, keys = group.create_task(self._rooms()), group.create_task(self._keys())
        return Facts(
            swarm,
            state.world,
            self._policy,
            reports(state.hellos, state.clock_offsets, state.gates.versions()),
            state.concerns,
            {str(volume): why for volume, why in state.setbacks.items()},
            version=own_version(),
            rooms=rooms.result(),
            full={name: fullness(name, each) for name, each in usages.items() if is_full(each, state.full)},
            keys=keys.result(),
        )

    async def _keys(self) -> Sequence[VolumeKey]:
        if self._driver is None:
            return ()
        try:
            async with asyncio.timeout(self._deadline):
                return await self._driver.keys("")
        except (DriverError, TimeoutError):
            return ()

    async def _rooms(self) -> Sequence[Room]:
        """What cannot be read now is no advice: the loop says so where it matters."""
        if not isinstance(self._driver, Roomy):
            return ()
        if self._state.rooms:  # minutes old at most; to ask anew may take long
            return self._state.rooms
        try:
            async with asyncio.timeout(self._deadline):
                return await self._driver.rooms()
        except (DriverError, TimeoutError):
            return ()


def reports(
    hellos: Mapping[NodeId, Hello], offsets: Mapping[NodeId, float], versions: Mapping[NodeId, str]
) -> Mapping[NodeId, NodeReport]:
    """What node services said, and gates of themselves."""
    return {node: _report(hello, offsets.get(node, 0.0), versions.get(node, "")) for node, hello in hellos.items()}


def _report(hello: Hello, offset: float, version: str) -> NodeReport:
    said = hello.engine
    if said is None:
        return NodeReport(hello.gate, hello.tcp_retries2, gate_version=version)
    engine = EngineFacts(said.server_version, said.kernel, said.docker_root, said.live_restore, said.security)
    return NodeReport(
        hello.gate,
        hello.tcp_retries2,
        engine,
        said.local_volumes,
        said.multipath,
        offset,
        version,
        said.mtu,
        said.root_free,
    )
