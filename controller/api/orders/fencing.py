"""
`reberth fence NODE`: a person orders what the fence policy 'power-off' does, now and once.

To power a VM off can cost time and unsaved work, never a second writer. It is the loop's own act, under the epoch and
with leadership read afresh; nothing is concluded from it: the next look reads whether the VM is off. An order is not
kept: if this controller ends meanwhile, nobody powers anything off later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog

from controller.api.routes import Route, route
from controller.model import NodeId, NodeState, Policy, VmId, VolumeName, World
from controller.planner.actions import Fence as FenceAction
from controller.planner.context import WorldIndex, index_world
from controller.planner.rules import RULES
from controller.protocol import operator
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import Consequences, Fence, Told, WouldFence
from controller.reconciler.executor import Executor
from controller.reconciler.nodes.lost_nodes import LostNode, hanging_on, known, named
from controller.reconciler.record_writer import Setback
from controller.reconciler.state import LoopState
from controller.records.base import Records, RecordsUnavailable

LOOK_SECONDS = 6.0
ACT_SECONDS = 8.0  # with the look less than what a manager waits that passes the question on
LIVES = "although-it-lives"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Who is to be fenced, as the last look sees it."""

    index: WorldIndex
    node: LostNode
    vm: VmId
    volumes: tuple[VolumeName, ...]

    @property
    def world(self) -> World:
        return self.index.world


class FenceRequests:
    """``executor``: None without a storage driver. ``me``: this controller's own node."""

    def __init__(
        self, state: LoopState, records: Records, executor: Executor | None, policy: Policy, me: NodeId
    ) -> None:
        self._state = state
        self._records = records
        self._executor = executor
        self._policy = policy
        self._me = me

    def routes(self) -> Iterable[Route]:
        yield route(operator.FENCE, lambda _, asked: self.fence(asked))
        yield route(operator.WOULD_FENCE, lambda _, asked: self.would_fence(asked))

    async def would_fence(self, asked: WouldFence) -> Consequences | Rejection:
        target = await self._target(asked.node, lives_too=asked.although_it_lives)
        if isinstance(target, Rejection):
            return target
        return Consequences(target.node.hostname, "\n".join(_told(target)))

    async def fence(self, asked: Fence) -> Told | Rejection:
        if not asked.reason.strip():
            return Rejection(Status.BAD, "say why: --reason TEXT; it is kept in the history of each volume")
        target = await self._target(asked.node, lives_too=asked.although_it_lives)
        if isinstance(target, Rejection) or self._executor is None:
            return target if isinstance(target, Rejection) else Rejection(Status.BAD, "no storage is configured")
        node, vm = target.node, target.vm
        why = f"{asked.by or 'a person'} ordered it: {asked.reason.strip()}"
        _log.warning("fence.ordered", node=node.hostname, vm=vm, why=why, epoch=target.world.epoch)
        orders = [FenceAction(each, vm, node.node, why) for each in target.volumes]
        try:
            async with asyncio.timeout(ACT_SECONDS):
                ended = (await self._executor.run(target.world, orders))[target.volumes[0]]
        except TimeoutError:
            ended = Setback(f"power-off of VM {vm} is in doubt: no answer within {ACT_SECONDS:g} s")
        self._state.suspects.add(vm)
        self._state.wakeup(f"a person ordered the fence of {node.hostname}")
        if isinstance(ended, Setback):
            return unavailable(f"{ended.why}; `reberth status` shows what is seen")
        volumes = ", ".join(target.volumes)
        return Told(
            f"VM {vm} of node {node.hostname} was powered off. Its volumes ({volumes}) move when the next look sees it "
            "off, too; Swarm starts their tasks elsewhere when it has missed the node."
        )

    async def _target(self, name: str, *, lives_too: bool) -> Target | Rejection:
        self._state.wakeup("a person asks")
        await self._state.fresh_look(LOOK_SECONDS)
        world = self._state.world
        if world is None or None in (world.nodes, world.volumes, world.attachments):
            return unavailable("the swarm, the records and the storage must be read first; see `reberth status`")
        try:
            node = _one(name, world, named(name, world, await self._records.nodes()))
        except RecordsUnavailable as error:
            return unavailable(error)
        if isinstance(node, Rejection) or node.vm is None:
            return (
                node
                if isinstance(node, Rejection)
                else Rejection(Status.CONFLICT, f"it is not known which VM node {name} is")
            )
        volumes = hanging_on(world, node.vm, node.boot)
        target = Target(index_world(world, self._policy, RULES), node, node.vm, volumes)
        why = next(_never(target, self._me), None) or (None if lives_too else _lives(target))
        return target if why is None else Rejection(Status.CONFLICT, f"nothing was done: {why}")


def _one(name: str, world: World, found: tuple[LostNode, ...]) -> LostNode | Rejection:
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(each.node for each in found)
        return Rejection(Status.CONFLICT, f"several nodes are called {name}: say the ID: {ids}")
    listed = {each.hostname for each in (world.nodes or {}).values()}
    every = ", ".join(sorted(listed | set(known(world, {}))))
    return Rejection(Status.MISSING, f"there is no node {name!r}; known nodes: {every}")


def _never(target: Target, me: NodeId) -> Iterator[str]:
    """Whatever a person says."""
    yield from _not_that_one(target, me)
    yield from _paused(target)
    if not target.volumes:
        yield f"no volume is on VM {target.vm}, and none may be mounted there: there is nothing to fence"
    if _leaves_no_quorum(target.world, target.node.node):
        name = target.node.hostname
        yield f"without manager {name} too few managers would be left, and Swarm could start nothing elsewhere"


def _not_that_one(target: Target, me: NodeId) -> Iterator[str]:
    world, node, vm = target.world, target.node, target.vm
    if node.node == me:
        yield "this controller, which acts, runs there; drain the node, or fence it by the hypervisor"
    if vm in target.index.shared_vms:
        yield f"another ready node reports the same VM {vm}: it is not known whose it is"
    if node.node in world.refused:
        yield world.refused[node.node]
    if vm in target.index.off:
        yield f"VM {vm} is seen off already; its volumes move by that"


def _paused(target: Target) -> Iterator[str]:
    world = target.world
    if world.paused is not None:
        yield f"Reberth is paused ({world.paused}): `reberth resume` first"
    for part in world.paused_parts:
        if part.on(target.node.node, target.vm) or part.volume in target.volumes:
            yield f"{part.kind} {part.name} is paused ({part.reason}): `reberth resume --{part.kind} {part.name}` first"


def _leaves_no_quorum(world: World, lost: NodeId) -> bool:
    managers = [each for each in (world.nodes or {}).values() if each.manager]
    ready = [each for each in managers if each.state is NodeState.READY and each.id != lost]
    return any(each.id == lost for each in managers) and len(ready) < len(managers) // 2 + 1


def _lives(target: Target) -> str | None:
    """Why it must be said that a node which lives is meant."""
    name, view = target.node.hostname, target.world.gates.get(target.vm)
    if target.node.state is NodeState.READY:
        sign = "Swarm calls it ready"
    elif view is not None and target.index.fresh(view):
        sign = f"its gate was heard {view.age:.0f} s ago"
    else:
        return None
    return (
        f"node {name} lives: {sign}. `reberth evacuate {name}` empties it in good order. To power it off all the "
        f"same, with whatever runs there, say --{LIVES}"
    )


def _told(target: Target) -> Iterator[str]:
    node, vm, world = target.node, target.vm, target.world
    swarm = "it is not in the swarm any more" if node.state is None else f"Swarm says {node.state.value}"
    heard = world.gates.get(vm)
    gate = "not heard by this controller" if heard is None else f"heard {heard.age:.0f} s ago"
    power = target.index.power(vm).value
    yield f"Node {node.hostname} ({node.node}), VM {vm}: {swarm}; the hypervisor says {power}; its gate was {gate}."
    yield f"It is powered off, with all that runs on it. Volumes that it may write to: {', '.join(target.volumes)}."
    if target.index.storm is not None:
        yield f"Think twice: {target.index.storm}."
    if _lives(target) is not None:
        yield "This node LIVES: its containers are ended as by a power cut."
