"""A newcomer's Mount is refused with the reason; the service that has the volume mounts and moves as if alone."""

from __future__ import annotations

import pytest

from controller.model import NodeId, Phase, Refusal, TaskId
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import MountGrant, MountRequest, Pending, RemoveVolume
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime


def contest(place: Scene, at: str) -> None:
    place.cluster.swarm.refused[DATA] = (Refusal("newcomer", NodeId(at), "service newcomer may not: cure"),)


async def mount(place: Scene, node: str) -> object:
    gate = place.cluster.gates[NodeId(node)]
    return await place.one.gate_requests.mount(gate.node, MountRequest(DATA, gate.vm, gate.boot))


async def running(place: Scene) -> None:
    await place.make()
    place.want("a")
    await place.until(("a",))
    place.cluster.swarm.started.update({place.cluster.swarm.wants[DATA][0]})


@pytest.mark.parametrize("node", ["a", "b"], ids=["same node", "another node"])
async def test_a_newcomers_mount_is_refused_with_its_reason(node: str) -> None:
    async with scene() as place:
        await running(place)
        contest(place, node)

        assert await mount(place, node) == Rejection(Status.CONFLICT, "volume data: service newcomer may not: cure")


async def test_a_mount_on_a_contested_node_is_of_the_service_that_has_the_volume_while_its_task_is_not_started() -> (
    None
):
    async with scene() as place:
        await running(place)
        contest(place, "a")
        place.cluster.swarm.started.clear()
        await place.cluster.gates[NodeId("a")].stop(DATA)  # Docker prepared its container, and mounts again to start it

        assert isinstance(await mount(place, "a"), MountGrant)


async def test_a_second_container_gets_no_mount_beside_the_one_that_is_counted() -> None:
    """Whoever asks under the same permission waits, and is told that it is mounted: a `docker run`, or a late Mount."""
    async with scene() as place:
        await running(place)
        place.cluster.swarm.started.clear()

        answer = await mount(place, "a")

        assert isinstance(answer, Pending)
        assert "is mounted on node host-a (VM vm-a)" in answer.why


async def test_the_next_task_of_a_slot_waits_for_the_end_of_the_last_ones_container() -> None:
    """Swarm starts it after a minute, or when a node flaps, although the old container still runs and writes."""
    async with scene() as place:
        await running(place)
        gate = place.cluster.gates[NodeId("a")]
        place.cluster.swarm.wants[DATA] = (TaskId("t2"), NodeId("a"))

        waits = await mount(place, "a")
        await gate.stop(DATA)
        granted = await mount(place, "a")

        assert isinstance(waits, Pending)
        assert "the container of task t1 on node host-a (VM vm-a) still has it mounted" in waits.why
        assert isinstance(granted, MountGrant)
        assert granted.task == "t2"


async def test_a_failover_goes_on_beside_a_newcomer_that_is_refused() -> None:
    async with scene() as place:
        await running(place)
        contest(place, "c")
        place.cluster.crash("a")
        place.cluster.down("a")
        place.want("b", "t2")

        await place.until(("b",))
        assert place.cluster.record().service == "service-data"


async def test_a_volume_of_a_service_scaled_to_0_is_not_removed() -> None:
    async with scene() as place:
        await place.make()
        place.cluster.swarm.services[DATA] = ("pg",)

        answer = await place.one.volume_requests.remove(RemoveVolume(DATA))

        assert isinstance(answer, Rejection)
        assert "belongs to service pg: remove the service first" in answer.why
        assert place.cluster.record().phase is not Phase.DELETING
