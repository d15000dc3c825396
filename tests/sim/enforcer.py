"""Swarm's constraint enforcer in the walks, and the law that it is told only of nodes whose VM is off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.model import NodeId, NodeState, Power, VmId
from tests.support.shell import Controller

if TYPE_CHECKING:
    from tests.sim.loop import RoughCluster

ON_THE_WAY = 0.5  # seconds in which a VM may boot again after it was seen off and before Swarm is told


class Enforcer:
    """Called with each node that gets the label."""

    def __init__(self, cluster: RoughCluster) -> None:
        self._cluster = cluster
        self._booted: dict[NodeId, float] = {}

    def booted(self, node: NodeId) -> None:
        self._booted[node] = asyncio.get_running_loop().time()

    def __call__(self, node: NodeId) -> None:
        cluster, now = self._cluster, asyncio.get_running_loop().time()
        if node not in cluster.gates:
            return  # one that lied about its machine
        off = cluster.storage.vms[VmId(f"vm-{node}")].power is Power.OFF
        if not off and now - self._booted.get(node, -ON_THE_WAY) >= ON_THE_WAY:
            cluster.judge.broken.append(f"node {node} was labelled dead, but its VM runs")
        others = sorted(each.id for each in cluster.swarm.nodes.values() if self._fit(each.id))
        for volume, (_, where) in [*cluster.swarm.wants.items()]:
            if where == node and others:
                cluster.place(volume, others[0])

    def _fit(self, node: NodeId) -> bool:
        found = self._cluster.swarm.nodes[node]
        return node in self._cluster.gates and found.state is NodeState.READY and not found.labelled


async def hear_power(controller: Controller) -> None:
    """The hypervisor's events reach this controller, for ever."""
    async for event in controller.driver.watch_power():
        if event.vm is not None:
            controller.state.suspects.add(event.vm)
        controller.state.wakeup("an event of the hypervisor")
