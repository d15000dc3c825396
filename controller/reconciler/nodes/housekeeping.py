"""What becomes needless: records of nodes that left, and a person's word about a node that lives."""

from __future__ import annotations

from collections.abc import Awaitable

import structlog

from controller.model import Confirmation, NodeState, World
from controller.records.base import Records, RecordsUnavailable

KEEP_EACH = 60.0  # seconds

_log = structlog.get_logger(__name__)


class Housekeeping:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._kept: tuple[frozenset[str], float] | None = None  # which records, and when
        self._failed = ""  # the last bug: told once, as each look comes by

    async def run(self, world: World, wall: float) -> None:
        """``wall``: when this world was read. Nothing rests on it, so a bug in it ends no controller."""
        try:
            await self._clean(world, wall)
        except Exception as error:  # noqa: BLE001 -- see above
            if repr(error) != self._failed:
                _log.exception("internal.error", why="what is needless could not be cleaned up")
            self._failed = repr(error)

    async def _clean(self, world: World, wall: float) -> None:
        await self._keep(world, wall)
        for said in world.confirmations:
            why = withdrawn(said, world, wall)
            if why is not None:
                await self._do(self._records.withdraw(said.node), "confirmation.withdrawn", said.node, why)
        for node in world.departed:
            why = "it left the swarm, and no volume refers to it"
            await self._do(self._records.delete_node(node), "node.forgotten", node, why)

    async def _keep(self, world: World, wall: float) -> None:
        """At once after a volume or a node came or went, and now and then: a keeper may have been removed by hand."""
        there = frozenset({*(world.volumes or {}), *world.nodes} if world.nodes else {*(world.volumes or {})})
        if self._kept is not None and self._kept[0] == there and abs(wall - self._kept[1]) < KEEP_EACH:
            return
        self._kept = there, wall
        try:
            await self._records.keep()
        except RecordsUnavailable as error:
            _log.warning("records.not_kept", why=str(error))

    async def _do(self, call: Awaitable[None], event: str, node: str, why: str) -> None:
        try:
            await call
        except RecordsUnavailable as error:
            _log.warning("records.not_cleaned", wanted=event, node=node, why=str(error))
        else:
            _log.info(event, node=node, why=why)


def withdrawn(said: Confirmation, world: World, wall: float) -> str | None:
    """
    Why a person's word that a node is dead does not count any more.

    A node that came back for a moment may be seen ready in no look; its gate has spoken since all the same.
    """
    node = (world.nodes or {}).get(said.node)
    if node is not None and node.state is NodeState.READY:
        return "the node is ready again"
    gate = world.gates.get(said.vm)
    if gate is not None and said.boot in {None, gate.boot} and wall - gate.age > said.at:
        return "its gate has spoken since, in that boot"
    return "the node left the swarm, and no volume refers to it" if said.node in world.departed else None
