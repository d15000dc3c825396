"""
What people ask of the acting controller: look, explain, confirm, pause. Behind the door (unix socket) and, for the
other managers' doors, behind /v1/manager/ of the API.

| path                | request | answer                                                  |
|---------------------|---------|---------------------------------------------------------|
| /v1/manager/status  | Empty   | 200 StatusView (controller/explain.py)                  |
| /v1/manager/explain | Explain | 200 Explanation, 404 Problem                            |
| /v1/manager/confirm | Confirm | 200 Told, 404 (no such node), 409 Problem (it is ready) |
| /v1/manager/pause   | Pause   | 200 Told                                                |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from controller.answers import No, Status, try_later
from controller.board import Board, Poke
from controller.explain import Explanation, StatusView, explain, status
from controller.model import BootId, Confirmation, Node, NodeState, Policy, VolumeName
from controller.records import Records, RecordsUnavailable
from controller.wire import Message

LOOK_SECONDS = 6.0


class Explain(Message, frozen=True):
    volume: str


class Confirm(Message, frozen=True):
    """``node``: hostname or node ID. ``by``: who says so."""

    node: str
    reason: str
    by: str = ""


class Pause(Message, frozen=True):
    """``reason`` None: go on."""

    reason: str | None = None


class Told(Message, frozen=True):
    text: str


class Pausing(Protocol):
    async def pause(self, reason: str | None) -> bool:
        """Write a person's reason to do nothing, or None to go on. False when we do not act by now."""
        ...


class Desk:
    def __init__(  # noqa: PLR0913, PLR0917 -- app.py joins these once
        self,
        board: Board,
        records: Records,
        poke: Poke,
        lead: Pausing,
        policy: Policy,
        wall: Callable[[], float],
        me: str,
    ) -> None:
        self._board = board
        self._records = records
        self._poke = poke
        self._lead = lead
        self._policy = policy
        self._wall = wall
        self._me = me

    async def status(self) -> StatusView | No:
        await self._fresh()
        found = status(self._board, self._me)
        return try_later("the controller has just begun to act and has not looked yet") if found is None else found

    async def explain(self, asked: Explain) -> Explanation | No:
        await self._fresh()
        found = explain(self._board, self._policy, VolumeName(asked.volume))
        if found is not None:
            return found
        known = ", ".join(self._board.volumes()) or "none"
        return No(Status.MISSING, f"there is no volume {asked.volume!r}; known volumes: {known}")

    async def confirm(self, asked: Confirm) -> Told | No:
        """Law 2 asks for evidence; a person's word is some. It counts for the VM's present boot only."""
        await self._fresh()
        if not asked.reason.strip():
            return No(Status.BAD, "say why you are sure: --reason TEXT; it is kept in the volume's history")
        node = self._find(asked.node)
        if isinstance(node, No):
            return node
        if node.state is NodeState.READY:
            return No(
                Status.CONFLICT,
                f"node {node.hostname} is ready: its VM lives and may write. Drain it, or power its VM off first",
            )
        if node.vm is None:
            return No(Status.CONFLICT, f"it is not known which VM node {node.hostname} is: power its VM off instead")
        said = Confirmation(node.id, node.vm, node.boot, asked.reason.strip(), asked.by, self._wall())
        try:
            await self._records.confirm(said)
        except RecordsUnavailable as error:
            return try_later(error)
        self._poke(f"a person confirmed that {node.hostname} is dead")
        return Told(
            f"noted: VM {node.vm} of node {node.hostname} is dead (boot {_short(node.boot)}). Its volumes move now; "
            "the word is forgotten when the node is ready again."
        )

    async def pause(self, asked: Pause) -> Told | No:
        try:
            written = await self._lead.pause(asked.reason)
        except RecordsUnavailable as error:
            return try_later(error)
        if not written:
            return try_later("another controller acts now")
        self._poke("paused" if asked.reason else "resumed")
        return Told(f"paused: {asked.reason}" if asked.reason else "resumed")

    async def _fresh(self) -> None:
        """People ask about now. An older look has to do when Swarm does not answer."""
        self._poke("a person asks")
        await self._board.fresh_look(LOOK_SECONDS)

    def _find(self, name: str) -> Node | No:
        nodes = None if self._board.world is None else self._board.world.nodes
        if nodes is None:
            return try_later("Swarm's nodes could not be read")
        found = [node for node in nodes.values() if name in {node.id, node.hostname}]
        # A node that rejoined has left its old ID behind under the same hostname: the one meant is the newest dead.
        lost = [node for node in found if node.state is not NodeState.READY]
        if len(found) > 1 and len(lost) != 1:
            ids = ", ".join(f"{node.id} ({node.state.value})" for node in found)
            return No(Status.CONFLICT, f"several nodes are called {name}: say the ID: {ids}")
        if found:
            return (lost or found)[0]
        known = ", ".join(sorted(node.hostname for node in nodes.values()))
        return No(Status.MISSING, f"there is no node {name!r}; known nodes: {known}")


def _short(boot: BootId | None) -> str:
    return "unknown" if boot is None else boot[:8]
