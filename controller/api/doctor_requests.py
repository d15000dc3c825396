"""`reberth doctor`: what Swarm says, what nodes reported and what the loop knows, examined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from controller.api.routes import Route, route
from controller.doctor.checks import CHECKS
from controller.doctor.findings import Facts, NodeReport, examine
from controller.model import NodeId, Policy
from controller.protocol import operator
from controller.protocol.answers import Rejection, unavailable
from controller.protocol.messages import Hello
from controller.protocol.views import DoctorView, FindingView
from controller.reconciler.state import LoopState
from watchers.base import SwarmUnread
from watchers.swarm_facts import EngineFacts, SwarmFacts


class DoctorRequests:
    """``swarm`` reads it afresh; it raises SwarmUnread."""

    def __init__(self, state: LoopState, swarm: Callable[[], Awaitable[SwarmFacts]], policy: Policy) -> None:
        self._state = state
        self._swarm = swarm
        self._policy = policy

    def routes(self) -> Iterable[Route]:
        yield route(operator.DOCTOR, lambda _, __: self.examine())

    async def examine(self) -> DoctorView | Rejection:
        try:
            swarm = await self._swarm()
        except SwarmUnread as error:
            return unavailable(error)
        state = self._state
        facts = Facts(
            swarm,
            state.world,
            self._policy,
            reports(state.hellos, state.clock_offsets),
            state.concerns,
            {str(volume): why for volume, why in state.setbacks.items()},
        )
        return DoctorView(
            tuple(
                FindingView(each.code, each.severity.value, each.subject, each.text, each.cure)
                for each in examine(facts, CHECKS)
            )
        )


def reports(hellos: Mapping[NodeId, Hello], offsets: Mapping[NodeId, float]) -> Mapping[NodeId, NodeReport]:
    return {node: _report(hello, offsets.get(node, 0.0)) for node, hello in hellos.items()}


def _report(hello: Hello, offset: float) -> NodeReport:
    said = hello.engine
    if said is None:
        return NodeReport(hello.gate, hello.tcp_retries2)
    engine = EngineFacts(said.server_version, said.kernel, said.docker_root, said.live_restore, said.security)
    return NodeReport(hello.gate, hello.tcp_retries2, engine, said.local_volumes, said.multipath, offset)
