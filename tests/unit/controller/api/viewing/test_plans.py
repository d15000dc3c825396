"""What would happen is told for each volume of a node, by the planner itself, and nothing of it is done."""

from __future__ import annotations

import pytest

from controller.model import NodeId, TaskId, VolumeName
from controller.protocol.answers import Rejection, Status
from controller.protocol.operator import Plan
from controller.protocol.views import PlanView, VolumePlan
from controller.settings import parse
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime
OTHER = VolumeName("other")


async def placed(play: Scene) -> None:
    """``data`` runs on node a, ``other`` on c."""
    for name, node, task in ((DATA, "a", "t1"), (OTHER, "c", "t2")):
        await play.make(name)
        play.want(node, task, name)
        await play.until((node,), name)
        play.cluster.swarm.started.add(TaskId(task))


async def told(play: Scene, asked: Plan) -> PlanView:
    found = await play.operator_requests.plan(asked)
    assert isinstance(found, PlanView), found
    return found


def words(plan: VolumePlan) -> list[str]:
    return [each.action for each in plan.steps]


async def test_a_plan_for_a_dead_node_names_its_volumes_and_changes_nothing() -> None:
    async with scene() as play:
        await placed(play)
        before = (play.cluster.record(), play.cluster.record(OTHER))
        found = await told(play, Plan("host-a"))
        (plan,) = found.volumes
        assert (plan.volume, plan.node, plan.state) == (DATA, "host-b", "ok")
        assert words(plan) == ["detach", "attach", "grant-mount", "converged"]
        assert "the hypervisor sees node host-a (VM vm-a) powered off" in plan.steps[0].why
        assert (play.cluster.record(), play.cluster.record(OTHER)) == before
        assert play.cluster.writers() == ("vm-a",)


async def test_the_plan_is_what_then_happens() -> None:
    async with scene() as play:
        await placed(play)
        (plan,) = (await told(play, Plan("host-a"))).volumes
        play.cluster.crash("a")
        play.cluster.down("a")
        play.want("b", "t3")
        await play.until(("b",))
        moments = [each.value for each in play.cluster.moments()]
        done = moments[moments.index("evidence") :][: len(plan.steps)]
        assert (words(plan)[:2], done) == (["detach", "attach"], ["evidence", "detached", "attached", "granted"])
        assert plan.node == "host-b"


async def test_a_vm_that_nobody_can_see_ends_in_an_alarm_with_the_command_that_helps() -> None:
    async with scene() as play:
        await placed(play)
        (plan,) = (await told(play, Plan("host-a", "unseen"))).volumes
        assert (plan.node, plan.state) == ("host-a", "ALARM")
        assert "reberth confirm-dead host-a" in plan.why + plan.cure


async def test_policy_hold_is_foreseen() -> None:
    async with scene(FakeCluster(parse('[policy]\nfence = "hold"', {}))) as play:
        await placed(play)
        (plan,) = (await told(play, Plan("host-a", "runs"))).volumes
        assert plan.state == "ALARM"
        assert "policy 'hold' forces nothing" in plan.why


async def test_a_move_is_foreseen_without_a_fence() -> None:
    async with scene() as play:
        await placed(play)
        (plan,) = (await told(play, Plan(volume=DATA, to="host-c"))).volumes
        assert (plan.node, plan.state) == ("host-c", "ok")
        assert words(plan) == ["revoke", "detach", "attach", "grant-mount", "converged"]


async def test_without_a_question_it_tells_of_now() -> None:
    async with scene() as play:
        await placed(play)
        assert [(each.volume, words(each)) for each in (await told(play, Plan())).volumes] == [
            (DATA, ["converged"]),
            (OTHER, ["converged"]),
        ]


@pytest.mark.parametrize(
    ("asked", "status", "why"),
    [
        (Plan("nobody"), Status.MISSING, "known nodes: host-a, host-b, host-c"),
        (Plan(volume="nothing", to="host-a"), Status.MISSING, "there is no volume 'nothing'"),
        (Plan(volume=DATA, to="nobody"), Status.MISSING, "there is no node 'nobody'"),
    ],
)
async def test_what_is_not_there_is_said(asked: Plan, status: Status, why: str) -> None:
    async with scene() as play:
        await placed(play)
        answer = await play.operator_requests.plan(asked)
        assert isinstance(answer, Rejection)
        assert (answer.status, why in answer.why) == (status, True)


async def test_nothing_is_foreseen_from_a_world_that_could_not_be_read() -> None:
    async with scene() as play:
        await placed(play)
        play.cluster.swarm.unread = True
        answer = await play.operator_requests.plan(Plan("host-a"))
        assert isinstance(answer, Rejection)
        assert answer.status == Status.UNAVAILABLE


async def test_a_volume_is_not_moved_to_a_node_that_is_down_nor_one_that_nobody_wants() -> None:
    async with scene() as play:
        await placed(play)
        play.cluster.down("b")
        down = await play.operator_requests.plan(Plan(volume=DATA, to="host-b"))
        del play.cluster.swarm.wants[OTHER]
        unwanted = await play.operator_requests.plan(Plan(volume=OTHER, to="host-a"))
        assert isinstance(down, Rejection)
        assert isinstance(unwanted, Rejection)
        assert "takes no tasks" in down.why
        assert "nothing to move" in unwanted.why
        assert NodeId("b") in play.cluster.swarm.nodes
