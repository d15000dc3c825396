"""A planned move is asked of Swarm only where the planner sees it end well, and can always be taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import NodeId, TaskId
from controller.protocol.answers import Rejection, Status
from controller.protocol.identity import Peer, Role
from controller.protocol.operator import EndMove, Evacuate, Move, Pause, Told
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime
SERVICE = f"service-{DATA}"


async def on_a(play: Scene) -> None:
    await play.make()
    play.want("a")
    await play.until(("a",))
    play.cluster.swarm.started.add(TaskId("t1"))


def why(answer: object) -> tuple[Status, str]:
    assert isinstance(answer, Rejection), answer
    return answer.status, answer.why


def me(node: str) -> Peer:
    return Peer(NodeId(node), Role.MANAGER, "swarm")


async def test_a_move_pins_the_service_to_the_node_and_its_end_takes_that_back() -> None:
    async with scene() as play:
        await on_a(play)
        told = await play.one.move_requests.move(Move(DATA, "host-c", "anna"))
        assert told == Told(f"Swarm moves service {SERVICE} to node host-c")
        assert play.cluster.placements.pins == {SERVICE: "c"}
        assert isinstance(await play.one.move_requests.end(EndMove(DATA)), Told)
        assert play.cluster.placements.pins == {}


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (Move("nothing", "host-c"), Status.CONFLICT, "nothing to move"),
        (Move(DATA, "host-x"), Status.MISSING, "there is no node 'host-x'"),
        (Move(DATA, "host-b"), Status.CONFLICT, "takes no tasks"),
    ],
)
async def test_what_cannot_be_moved_is_refused_and_nothing_is_pinned(asked: Move, status: Status, words: str) -> None:
    async with scene() as play:
        await on_a(play)
        play.cluster.swarm.nodes[NodeId("b")] = replace(play.cluster.swarm.nodes[NodeId("b")], available=False)
        code, said = why(await play.one.move_requests.move(asked))
        assert (code, words in said) == (status, True)
        assert play.cluster.placements.pins == {}


async def test_a_move_that_the_planner_sees_end_badly_is_refused_with_its_reason() -> None:
    async with scene() as play:
        await on_a(play)
        assert not isinstance(await play.operator_requests.pause(Pause("storage work")), Rejection)
        code, said = why(await play.one.move_requests.move(Move(DATA, "host-c")))
        assert (code, "storage work" in said) == (Status.CONFLICT, True)
        assert play.cluster.placements.pins == {}


async def test_an_obstacle_and_an_unread_swarm_are_told() -> None:
    async with scene() as play:
        await on_a(play)
        play.cluster.placements.refuse = "its constraint does not allow node host-c"
        assert why(await play.one.move_requests.move(Move(DATA, "host-c")))[0] is Status.CONFLICT
        play.cluster.placements.unread = True
        for answer in (
            await play.one.move_requests.move(Move(DATA, "host-c")),
            await play.one.move_requests.end(EndMove(DATA)),
            await play.one.move_requests.evacuate(me("a"), Evacuate("host-b")),
        ):
            assert why(answer)[0] is Status.UNAVAILABLE


async def test_a_node_is_drained_from_another_manager_with_the_way_back() -> None:
    async with scene() as play:
        await on_a(play)
        told = await play.one.move_requests.evacuate(me("b"), Evacuate("host-a"))
        assert isinstance(told, Told)
        assert "docker node update --availability active host-a" in told.text
        assert not play.cluster.swarm.nodes[NodeId("a")].available


async def test_a_node_is_not_drained_where_that_would_leave_nobody() -> None:
    async with scene() as play:
        nodes = play.cluster.swarm.nodes
        assert "another manager" in why(await play.one.move_requests.evacuate(me("a"), Evacuate("host-a")))[1]
        assert why(await play.one.move_requests.evacuate(me("a"), Evacuate("nobody")))[0] is Status.MISSING
        for name in "ac":
            nodes[NodeId(name)] = replace(nodes[NodeId(name)], manager=False)
        assert "no other manager" in why(await play.one.move_requests.evacuate(me("a"), Evacuate("host-b")))[1]
        for name in "ac":
            nodes[NodeId(name)] = replace(nodes[NodeId(name)], available=False)
        assert "no other node takes tasks" in why(await play.one.move_requests.evacuate(me("a"), Evacuate("host-b")))[1]
        assert nodes[NodeId("b")].available
