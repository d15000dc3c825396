"""
`reberth pause` and `reberth resume`: of everything, of one volume, of one node. What is paused stands in the record of
who acts, so the next leader keeps it; `reberth export` has it, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.model import NodeId, PausedPart, VmId, VolumeName
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.operator import MOST_PAUSED, Pause, Paused, Told
from controller.reconciler.nodes.lost_nodes import LostNode, known, named
from controller.reconciler.state import LoopState
from controller.records.base import Acting, Records, RecordsUnavailable
from controller.records.pauses import same, with_end, with_parts, without_part

NOT_ACTING = "another controller acts now"
HOW_ON = "`reberth resume --volume V` and `--node N` end what is paused alone"


class Pauses:
    def __init__(self, state: LoopState, records: Records, acting: Acting) -> None:
        self._state = state
        self._records = records
        self._acting = acting

    async def pause(self, asked: Pause) -> Told | Rejection:
        reason = asked.reason
        if reason is not None and asked.by:
            reason = f"{reason}, says {asked.by}"
        if reason is not None and asked.seconds is not None:
            reason = with_end(reason, self._state.wall() + asked.seconds)
        try:
            part = await self._part(asked, reason or "")
            if isinstance(part, Rejection):
                return part
            return await self._everything(reason) if part is None else await self._alone(part, reason)
        except RecordsUnavailable as error:
            return unavailable(error)

    async def _everything(self, reason: str | None) -> Told | Rejection:
        if not await self._acting.pause(reason):
            return unavailable(NOT_ACTING)
        self._state.wakeup("resumed" if reason is None else "paused")
        if reason is not None:
            return Told(f"paused: {reason}")
        others = ", ".join(f"{each.kind} {each.name}" for each in self._acting.paused_parts)
        return Told(f"resumed; still paused: {others} ({HOW_ON})" if others else "resumed")

    async def _alone(self, part: PausedPart, reason: str | None) -> Told | Rejection:
        there = any(same(each, part) for each in self._acting.paused_parts)
        if reason is None:
            return await self._resumed(part) if there else self._not_paused(part)
        if not there and len(self._acting.paused_parts) >= MOST_PAUSED:
            return Rejection(Status.CONFLICT, f"{MOST_PAUSED} parts are paused already: pause everything instead")
        if not await self._acting.pause_parts(lambda parts: with_parts(parts, [part])):
            return unavailable(NOT_ACTING)
        self._state.wakeup("paused")
        return Told(f"paused: {part.kind} {part.name}: {reason}")

    async def _resumed(self, part: PausedPart) -> Told | Rejection:
        if not await self._acting.pause_parts(lambda parts: without_part(parts, part)):
            return unavailable(NOT_ACTING)
        self._state.wakeup("resumed")
        return Told(f"resumed: {part.kind} {part.name}")

    def _not_paused(self, part: PausedPart) -> Rejection:
        every = "" if self._acting.paused is None else f"; everything is paused: {self._acting.paused}"
        return Rejection(Status.CONFLICT, f"{part.kind} {part.name} is not paused alone{every}")

    async def _part(self, asked: Pause, reason: str) -> PausedPart | Rejection | None:
        """None: everything. What is paused is found under its name also when it is there no more."""
        if asked.node and asked.volume:
            return Rejection(Status.BAD, "say a node or a volume; for both, pause each")
        if asked.volume:
            return self._volume(VolumeName(asked.volume), reason)
        return await self._node(asked.node, reason) if asked.node else None

    def _volume(self, name: VolumeName, reason: str) -> PausedPart | Rejection:
        if name not in self._state.volumes() and all(each.volume != name for each in self._acting.paused_parts):
            names = ", ".join(self._state.volumes()) or "none"
            return Rejection(Status.MISSING, f"there is no volume {name!r}; known volumes: {names}")
        return PausedPart(reason, volume=name)

    async def _node(self, name: str, reason: str) -> PausedPart | Rejection:
        here = [each for each in self._acting.paused_parts if name in {each.node, each.vm, each.hostname}]
        if here and not reason:
            return here[0]
        world = self._state.world
        if world is None or world.nodes is None:
            return unavailable("Swarm's nodes could not be read")
        records = await self._records.nodes()
        found = named(name, world, records)
        if len(found) == 1:
            return _of_node(found[0], reason)
        if found:
            ids = ", ".join(each.node for each in found)
            return Rejection(Status.CONFLICT, f"several nodes are called {name}: say the ID: {ids}")
        every = ", ".join(known(world, records))
        return Rejection(Status.MISSING, f"there is no node {name!r}; known nodes: {every}")


def _of_node(node: LostNode, reason: str) -> PausedPart:
    return PausedPart(reason, node=node.node, vm=node.vm, hostname=node.hostname)


def sent(parts: Iterable[PausedPart]) -> tuple[Paused, ...]:
    return tuple(
        Paused(each.reason, each.volume or "", each.node or "", each.vm or "", each.hostname) for each in parts
    )


def received(parts: Iterable[Paused]) -> tuple[PausedPart, ...]:
    return tuple(
        PausedPart(
            each.reason,
            VolumeName(each.volume) if each.volume else None,
            NodeId(each.node) if each.node else None,
            VmId(each.vm) if each.vm else None,
            each.hostname,
        )
        for each in parts
    )
