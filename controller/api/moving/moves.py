"""`reberth move` and `reberth evacuate`: refused where the planner does not see them end well."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from controller.api.routes import Route, route
from controller.api.viewing.plans import planned
from controller.model import Node, NodeState, Policy, VolumeName, World
from controller.planner.foresight.supposed import named
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.identity import Peer
from controller.protocol.operator import EndMove, Evacuate, Move, Plan, Told
from controller.protocol.views import PlanView
from controller.reconciler.state import LoopState
from watchers.base import PlacementRefused, Placements, SwarmUnread

LOOK_SECONDS = 6.0
_WELL = {"ok", "starting"}

_log = structlog.get_logger(__name__)


class MoveRequests:
    def __init__(self, state: LoopState, placements: Placements, policy: Policy) -> None:
        self._state = state
        self._placements = placements
        self._policy = policy

    def routes(self) -> Iterable[Route]:
        yield route(operator.MOVE, lambda _, asked: self.move(asked))
        yield route(operator.END_MOVE, lambda _, asked: self.end(asked))
        yield route(operator.EVACUATE, self.evacuate)

    async def move(self, asked: Move) -> Told | Rejection:
        world = await self._world()
        plan = planned(world, self._policy, Plan(volume=asked.volume, to=asked.to))
        if isinstance(plan, Rejection) or world is None:
            return plan if isinstance(plan, Rejection) else unavailable("the swarm could not be read")
        node, service = named(world, asked.to), self._service(asked.volume)
        why = _ends_badly(plan)
        if node is None or service is None or why is not None:
            return Rejection(Status.CONFLICT, f"nothing was done: {why}")
        try:
            await self._placements.pin(service, node.id)
        except PlacementRefused as error:
            return Rejection(Status.CONFLICT, str(error))
        except SwarmUnread as error:
            return unavailable(error)
        _log.info("move.asked", volume=asked.volume, node=node.hostname, why=f"{asked.by or 'a person'} asked for it")
        return Told(f"Swarm moves service {service} to node {node.hostname}")

    async def end(self, asked: EndMove) -> Told | Rejection:
        """Also of a move that was interrupted."""
        await self._world()
        service = self._service(asked.volume)
        if service is None:
            return Rejection(Status.MISSING, f"no task wants volume {asked.volume!r}: there is no move to end")
        try:
            await self._placements.unpin(service)
        except SwarmUnread as error:
            return unavailable(error)
        return Told(f"service {service} may run on every node again that its own constraints allow")

    async def evacuate(self, peer: Peer, asked: Evacuate) -> Told | Rejection:
        world = await self._world()
        node = None if world is None else named(world, asked.node)
        if world is None or node is None:
            return Rejection(Status.MISSING, f"there is no node {asked.node!r}: `docker node ls` shows them")
        why = _must_stay(world, node, peer)
        if why is not None:
            return Rejection(Status.CONFLICT, f"nothing was done: {why}")
        try:
            await self._placements.drain(node.id)
        except SwarmUnread as error:
            return unavailable(error)
        _log.info("node.evacuated", node=node.hostname, why=f"{asked.by or 'a person'} asked for it")
        back = f"`docker node update --availability active {node.hostname}`"
        return Told(f"node {node.hostname} is drained: Swarm moves its tasks. To take it back: {back}")

    async def _world(self) -> World | None:
        self._state.wakeup("a person asks")
        await self._state.fresh_look(LOOK_SECONDS)
        return self._state.world

    def _service(self, volume: str) -> str | None:
        world = self._state.world
        claim = None if world is None else (world.claims or {}).get(VolumeName(volume))
        return claim.tasks[0].service if claim is not None and claim.tasks else None


def _ends_badly(plan: PlanView) -> str | None:
    return next((f"{each.volume}: {each.why}" for each in plan.volumes if each.state not in _WELL), None)


def _must_stay(world: World, node: Node, peer: Peer) -> str | None:
    if peer.node == node.id:
        return f"this controller runs on node {node.hostname} and ends with the drain; run this on another manager"
    others = [each for each in (world.nodes or {}).values() if each.id != node.id and _takes_tasks(each)]
    if not others:
        return "no other node takes tasks"
    if node.manager and not any(each.manager for each in others):
        return "a drained manager runs no controller, and no other manager takes tasks"
    return None


def _takes_tasks(node: Node) -> bool:
    return node.state is NodeState.READY and node.available
