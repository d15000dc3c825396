"""A node that says it is a machine that it is not: a copy with the same UUID, or an attacker who has one worker."""

from __future__ import annotations

import asyncio

from controller.model import Node, NodeId, NodeState, VolumeName
from controller.protocol.messages import Sync
from tests.sim.loop import RoughCluster
from tests.sim.mortal import STRANGE
from tests.sim.rough_gate import within

SECONDS = 6


def lie(life: RoughCluster, node: NodeId) -> None:
    """
    It has just joined, and says for some seconds: I am that VM, was started again, and have nothing mounted.

    Its address is that VM's: it took it, and so addresses say nothing against it.
    """
    liar = NodeId(f"liar-{life.birth()}")
    address = life.swarm.nodes[node].address
    life.swarm.nodes[liar] = Node(liar, f"host-{liar}", NodeState.READY, address=address)
    life.spawn(_lie(life, liar, Sync(life.gate(node).vm, f"boot-{liar}", "test", (), wait=0.0)))


async def _lie(life: RoughCluster, liar: NodeId, sync: Sync) -> None:
    for _ in range(SECONDS):
        if life.acting is not None:
            await within(life.acting.sync(liar, sync))
        await asyncio.sleep(1.0)
    life.swarm.nodes.pop(liar)


def pose(life: RoughCluster, volume: VolumeName, seen: str) -> None:
    """It says that it is a VM of somebody else's, at whose address it is not, and Swarm gives it the volume's task."""
    poser = NodeId(f"poser-{life.birth()}")
    life.swarm.nodes[poser] = Node(poser, f"host-{poser}", NodeState.READY, address=seen)
    if volume in life.swarm.wants:
        life.place(volume, poser)
    life.spawn(_pose(life, poser, Sync(STRANGE, f"boot-{poser}", "test", (), wait=0.0)))


async def _pose(life: RoughCluster, poser: NodeId, sync: Sync) -> None:
    await _lie(life, poser, sync)
    for name, (_, node) in [*life.swarm.wants.items()]:
        if node == poser:
            life.place(name, next(iter(life.gates)))
