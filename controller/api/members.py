"""
What a certificate is worth now: as much as Swarm's own list of nodes says of its node at this moment.

A certificate is valid for up to 90 days. A node that was removed keeps it, and one that was demoted keeps the
manager's. So whoever asks is looked up in the newest list, and its role is the lower of the two.
"""

from __future__ import annotations

from dataclasses import replace

from controller.model import Node, NodeId, NodeState
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.endpoint import Access
from controller.protocol.identity import Peer, Role
from controller.reconciler.state import LoopState

LOOK_SECONDS = 6.0  # a caller gives up on an answer after 10 s
STRANGER_SECONDS = 10.0  # between looks for the sake of one that is in no list
_MOST_STRANGERS = 1000


class Members:
    def __init__(self, state: LoopState) -> None:
        self._state = state
        self._strangers: dict[NodeId, float] = {}  # when a look was last made for one that is in no list

    async def admit(self, peer: Peer, access: Access) -> Peer | Rejection:
        """The peer in the role that it has now, if it may ask such a thing; or why not."""
        node = self._listed(peer.node) or await self._look_for(peer.node)
        if isinstance(node, Rejection):
            return node
        role = Role.MANAGER if node.manager and peer.role is Role.MANAGER else Role.WORKER
        if access is Access.NODE:
            return replace(peer, role=role)
        if access is Access.MANAGER and role is not Role.MANAGER:
            return Rejection(Status.FORBIDDEN, f"node {node.hostname} is no manager: only managers may ask this")
        if node.state in {NodeState.DOWN, NodeState.DISCONNECTED}:
            return Rejection(
                Status.FORBIDDEN,
                f"Swarm says that node {node.hostname} is {node.state.value}: it may only report about itself until "
                "it is ready again",
            )
        return replace(peer, role=role)

    def _listed(self, name: NodeId) -> Node | None:
        nodes = None if self._state.world is None else self._state.world.nodes
        return None if nodes is None else nodes.get(name)

    async def _look_for(self, name: NodeId) -> Node | Rejection:
        """One that has just joined is in the next list; one that was removed must not make us look each second."""
        now = self._state.clock()
        if now - self._strangers.get(name, -STRANGER_SECONDS) >= STRANGER_SECONDS:
            self._note(name, now)
            self._state.wakeup(f"node {name} is new")
            await self._state.fresh_look(LOOK_SECONDS)
        nodes = None if self._state.world is None else self._state.world.nodes
        if nodes is None:
            return unavailable("Swarm's list of nodes could not be read")
        if name not in nodes:
            return Rejection(
                Status.FORBIDDEN,
                f"node {name} is not in this swarm's list of nodes (`docker node ls`): it was removed, so its "
                "certificate is good for nothing; let it leave and join the swarm again",
            )
        self._strangers.pop(name, None)
        return nodes[name]

    def _note(self, name: NodeId, now: float) -> None:
        if len(self._strangers) >= _MOST_STRANGERS:
            self._strangers.clear()
        self._strangers[name] = now
