"""A node that says it is a machine that it is not: a copy with the same UUID, or an attacker who owns one worker."""

from __future__ import annotations

import asyncio

from controller.model import Node, NodeId, NodeState
from controller.protocol.messages import Sync
from tests.sim.loop import RoughCluster
from tests.sim.rough_gate import within

SECONDS = 6


def lie(life: RoughCluster, node: NodeId) -> None:
    """It has just joined, and says for some seconds: I am that VM, was started again, and have nothing mounted."""
    liar = NodeId(f"liar-{life.birth()}")
    life.swarm.nodes[liar] = Node(liar, f"host-{liar}", NodeState.READY)
    life.spawn(_lie(life, liar, Sync(life.gate(node).vm, f"boot-{liar}", "test", (), wait=0.0)))


async def _lie(life: RoughCluster, liar: NodeId, sync: Sync) -> None:
    for _ in range(SECONDS):
        if life.acting is not None:
            await within(life.acting.sync(liar, sync))
        await asyncio.sleep(1.0)
    life.swarm.nodes.pop(liar)
