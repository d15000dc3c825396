"""
Who asks: a node, by its Swarm certificate, that speaks for one VM in one boot.

A node speaks for the VM that it named first, which no other living node names; a node that was rejoined under a new ID
takes over the VM of its old one. Which VM and boot a node is, is stored before anything is granted to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.answers import No, Status, try_later
from controller.board import Board, Poke
from controller.model import BootId, Node, NodeId, NodeState, VmId
from controller.records import NodeRecord, Records, RecordsUnavailable, Stale

LOOK_SECONDS = 6.0  # a caller gives up on an answer after 10 s
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Caller:
    node: NodeId
    vm: VmId
    boot: BootId


class Admission:
    def __init__(self, board: Board, records: Records, poke: Poke) -> None:
        self._board = board
        self._records = records
        self._poke = poke

    async def admit(self, caller: Caller, hostname: str = "") -> Node | No:
        """The caller's node, if it may speak for its VM; the record of the node is made or brought up to date."""
        node = await self._node(caller.node)
        if node is None:
            return try_later(f"node {caller.node} is not seen in the swarm yet")
        if (node.vm, node.boot) == (caller.vm, caller.boot):
            return node
        try:
            problem = await self._register(caller, hostname or node.hostname)
        except RecordsUnavailable as error:
            return try_later(error)
        return node if problem is None else problem

    async def _node(self, name: NodeId) -> Node | None:
        nodes = (self._board.world.nodes if self._board.world is not None else None) or {}
        if name in nodes:
            return nodes[name]
        self._poke(f"node {name} is new")
        look = await self._board.fresh_look(LOOK_SECONDS)
        return None if look is None or look.world.nodes is None else look.world.nodes.get(name)

    async def _register(self, caller: Caller, hostname: str) -> No | None:
        for _ in range(ATTEMPTS):
            known = await self._records.nodes()
            mine = known.get(caller.node)
            problem = self._impostor(caller, mine, tuple(known.values()), hostname)
            if problem is not None:
                return problem
            if mine is not None and mine.boot == caller.boot:
                return None
            version = 0 if mine is None else mine.version
            written = await self._records.put_node(NodeRecord(caller.node, caller.vm, caller.boot, hostname, version))
            if not isinstance(written, Stale):
                self._poke(f"node {hostname} told its VM and boot")
                return None
        return try_later(f"the record of node {hostname} is being changed all the time")

    def _impostor(
        self, caller: Caller, mine: NodeRecord | None, known: tuple[NodeRecord, ...], hostname: str
    ) -> No | None:
        if mine is not None and mine.vm != caller.vm:
            return No(
                Status.CONFLICT,
                f"node {hostname} was VM {mine.vm} and now says it is VM {caller.vm}: if its machine was replaced, "
                "let the node leave the swarm and join again; if not, correct the VM's SMBIOS UUID",
            )
        nodes = (self._board.world.nodes if self._board.world is not None else None) or {}
        for other in known:
            living = other.node in nodes and nodes[other.node].state is NodeState.READY
            if other.node != caller.node and other.vm == caller.vm and living:
                return No(
                    Status.CONFLICT,
                    f"nodes {hostname} and {other.hostname} both say that they are VM {caller.vm}: a cloned VM keeps "
                    "its SMBIOS UUID; give one of them a new one",
                )
        return None
