"""
What people ask of the acting controller: look, explain, confirm, pause. They ask by the unix socket of a manager's
controller, and that one, where it does not act, by the API of the one that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.api.orders.pauses import Pauses
from controller.api.routes import Route, route
from controller.api.status import explain, status
from controller.api.viewing.history import events, history
from controller.api.viewing.plans import planned
from controller.model import BootId, Confirmation, NodeId, NodeState, Policy, Power, VmId, VolumeName
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import (
    Confirm,
    Consequences,
    Events,
    Explain,
    History,
    Pause,
    Plan,
    Told,
    WouldConfirm,
)
from controller.protocol.views import EventsView, Explanation, MovesView, PlanView, StatusView
from controller.reconciler.nodes.lost_nodes import LostNode, hanging_on, known, named
from controller.reconciler.state import LoopState
from controller.records.base import Acting, NodeRecord, Records, RecordsUnavailable

LOOK_SECONDS = 6.0


class OperatorRequests:
    def __init__(self, state: LoopState, records: Records, acting: Acting, policy: Policy, me: str) -> None:
        self._state = state
        self._records = records
        self._wakeup = state.wakeup
        self._policy = policy
        self._wall = state.wall
        self._me = me
        self._pauses = Pauses(state, records, acting)

    def routes(self) -> Iterable[Route]:
        yield route(operator.STATUS, lambda _, __: self.status())
        yield route(operator.EXPLAIN, lambda _, asked: self.explain(asked))
        yield route(operator.HISTORY, lambda _, asked: self.history(asked))
        yield route(operator.EVENTS, lambda _, asked: self.events(asked))
        yield route(operator.PLAN, lambda _, asked: self.plan(asked))
        yield route(operator.CONFIRM, lambda _, asked: self.confirm(asked))
        yield route(operator.WOULD_CONFIRM, lambda _, asked: self.would_confirm(asked))
        yield route(operator.PAUSE, lambda _, asked: self.pause(asked))

    async def status(self) -> StatusView | Rejection:
        await self._fresh()
        found = status(self._state, self._policy, self._me)
        return unavailable("the controller has just begun to act and has not looked yet") if found is None else found

    async def explain(self, asked: Explain) -> Explanation | Rejection:
        await self._fresh()
        found = explain(self._state, self._policy, VolumeName(asked.volume))
        if found is not None:
            return found
        return self._no_volume(asked.volume)

    async def history(self, asked: History) -> MovesView | Rejection:
        """A node that left may have a history still: an unknown one has none, and that is no mistake."""
        await self._fresh()
        if not self._state.knows_records:
            return unavailable("the volume records could not be read")
        if asked.volume and self._state.record(VolumeName(asked.volume)) is None:
            return self._no_volume(asked.volume)
        return history(self._state, asked)

    async def events(self, asked: Events) -> EventsView | Rejection:
        """Of the newest records, without a look of their own: whoever follows asks every second."""
        if not self._state.knows_records:
            return unavailable("the volume records could not be read")
        if asked.volume and self._state.record(VolumeName(asked.volume)) is None:
            return self._no_volume(asked.volume)
        return events(self._state, asked)

    async def plan(self, asked: Plan) -> PlanView | Rejection:
        """Nothing is done."""
        await self._fresh()
        if asked.volume and self._state.record(VolumeName(asked.volume)) is None:
            return self._no_volume(asked.volume)
        return planned(self._state.world, self._policy, asked)

    def _no_volume(self, name: str) -> Rejection:
        known = ", ".join(self._state.volumes()) or "none"
        return Rejection(Status.MISSING, f"there is no volume {name!r}; known volumes: {known}")

    async def confirm(self, asked: Confirm) -> Told | Rejection:
        """Law 2 asks for evidence; a person's word is some. It counts for the VM's present boot only."""
        await self._fresh()
        if not asked.reason.strip():
            return Rejection(Status.BAD, "say why you are sure: --reason TEXT; it is kept in the volume's history")
        lost = await self._lost(asked.node)
        if isinstance(lost, Rejection):
            return lost
        node, vm = lost
        said = Confirmation(node.node, vm, node.boot, asked.reason.strip(), asked.by, self._wall())
        try:
            await self._records.confirm(said)
        except RecordsUnavailable as error:
            return unavailable(error)
        self._wakeup(f"a person confirmed that {node.hostname} is dead")
        return Told(
            f"noted: VM {vm} of node {node.hostname} is dead (boot {_short(node.boot)}). Its volumes move now; "
            "the word is forgotten when the node is ready again."
        )

    async def would_confirm(self, asked: WouldConfirm) -> Consequences | Rejection:
        await self._fresh()
        lost = await self._lost(asked.node)
        world = self._state.world
        if isinstance(lost, Rejection) or world is None:
            return lost if isinstance(lost, Rejection) else unavailable("the swarm could not be read")
        node, vm = lost
        volumes = ", ".join(hanging_on(world, vm, node.boot)) or "none"
        swarm = "it is not in the swarm any more" if node.state is None else f"Swarm says {node.state.value}"
        power = (world.power or {}).get(vm, Power.UNKNOWN)
        heard = world.gates.get(vm)
        gate = "not heard by this controller" if heard is None else f"heard {heard.age:.0f} s ago"
        return Consequences(
            node.hostname,
            f"Node {node.hostname} ({node.node}), VM {vm}, boot {_short(node.boot)}: {swarm}; the hypervisor says "
            f"{power.value}; its gate was {gate}.\nVolumes that are taken from it: {volumes}.\nIf that VM can still "
            "write, their data is damaged: power it off first where you can.",
        )

    async def _lost(self, name: str) -> tuple[LostNode, VmId] | Rejection:
        """The one that is meant, and its VM, if nothing says that it lives."""
        try:
            node = self._find(name, await self._records.nodes())
        except RecordsUnavailable as error:
            return unavailable(error)
        if isinstance(node, Rejection):
            return node
        if node.state is NodeState.READY:
            why = f"node {node.hostname} is ready: its VM lives and may write. Drain it, or power its VM off first"
            return Rejection(Status.CONFLICT, why)
        if node.vm is None:
            why = f"it is not known which VM node {node.hostname} is: power its VM off instead"
            return Rejection(Status.CONFLICT, why)
        return node, node.vm

    async def pause(self, asked: Pause) -> Told | Rejection:
        if asked.node or asked.volume:
            await self._fresh()
        return await self._pauses.pause(asked)

    async def _fresh(self) -> None:
        """People ask about now. An older look has to do when Swarm does not answer."""
        self._wakeup("a person asks")
        await self._state.fresh_look(LOOK_SECONDS)

    def _find(self, name: str, records: Mapping[NodeId, NodeRecord]) -> LostNode | Rejection:
        world = self._state.world
        if world is None or world.nodes is None:
            return unavailable("Swarm's nodes could not be read")
        found = named(name, world, records)
        if len(found) > 1:
            ids = ", ".join(f"{each.node} ({each.state.value if each.state else 'removed'})" for each in found)
            return Rejection(Status.CONFLICT, f"several nodes are called {name}: say the ID: {ids}")
        if found:
            return found[0]
        every = ", ".join(known(world, records))
        return Rejection(Status.MISSING, f"there is no node {name!r}; known nodes: {every}")


def _short(boot: BootId | None) -> str:
    return "unknown" if boot is None else boot[:8]
