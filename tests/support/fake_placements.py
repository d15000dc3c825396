"""Where Swarm may start tasks, played: what was asked is kept, and a node is drained at once."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from controller.model import Node, NodeId
from watchers.base import PlacementRefused, SwarmUnread


class FakePlacements:
    """``refuse`` is said to whoever pins; ``unread`` to everybody."""

    def __init__(self, nodes: MutableMapping[NodeId, Node]) -> None:
        self._nodes = nodes
        self.pins: dict[str, NodeId] = {}
        self.refuse = ""
        self.unread = False

    async def pin(self, service: str, node: NodeId) -> None:
        self._read()
        if self.refuse:
            raise PlacementRefused(self.refuse)
        self.pins[service] = node

    async def unpin(self, service: str) -> None:
        self._read()
        self.pins.pop(service, None)

    async def drain(self, node: NodeId) -> None:
        self._read()
        self._nodes[node] = replace(self._nodes[node], available=False)

    def _read(self) -> None:
        if self.unread:
            raise SwarmUnread("the swarm has no leader")
