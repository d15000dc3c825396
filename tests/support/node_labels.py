"""Swarm's labels of nodes, played: its constraint enforcer is told as soon as a node bears the label."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import replace

from controller.model import Node, NodeId
from watchers.base import SwarmUnread


class FakeNodeLabels:
    """
    ``enforce`` is called with each node that gets the label; ``refuse`` makes every change fail, ``silent`` its answer.
    """

    def __init__(self, nodes: MutableMapping[NodeId, Node]) -> None:
        self._nodes = nodes
        self.enforce: Callable[[NodeId], None] = lambda _: None
        self.refuse = False
        self.silent = False
        self.changes: list[tuple[NodeId, bool]] = []

    async def put(self, node: NodeId) -> None:
        try:
            await self._change(node, labelled=True)
        finally:
            if self._nodes[node].labelled:
                self.enforce(node)

    async def remove(self, node: NodeId) -> None:
        await self._change(node, labelled=False)

    async def _change(self, node: NodeId, *, labelled: bool) -> None:
        await asyncio.sleep(0.01)
        if self.refuse:
            raise SwarmUnread("the swarm has no leader")
        if node in self._nodes:
            self._nodes[node] = replace(self._nodes[node], labelled=labelled)
        self.changes.append((node, labelled))
        if self.silent:
            raise SwarmUnread("no answer within 5 s")
