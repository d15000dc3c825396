"""Concerns about VMs reach the log once, and `reberth status` as long as they last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
import structlog

from controller.api.status import status
from controller.model import Epoch, Node, NodeId, NodeState, VmId, World
from controller.reconciler.inspecting.vm_checks import EACH, VmChecks
from controller.reconciler.state import LoopState, Observation
from drivers.base import DriverError
from tests.support.executors import Leading
from tests.support.worlds import POLICY

pytestmark = pytest.mark.looptime

ONE = Epoch(1)
VM = VmId("vm-a")
NODE = Node(NodeId("a"), "host-a", NodeState.READY, vm=VM)
STRANGER = Node(NodeId("b"), "host-b", NodeState.READY)  # its VM is not known
WORLD = World(ONE, {NODE.id: NODE, STRANGER.id: STRANGER}, {}, {}, (), {})


@dataclass
class Hypervisor:
    """An inspector that says what the test says."""

    told: Mapping[VmId, Sequence[str]] = field(default_factory=dict)
    away: bool = False
    asked: list[Mapping[VmId, str]] = field(default_factory=list)

    async def concerns(self, nodes: Mapping[VmId, str]) -> Mapping[VmId, Sequence[str]]:
        self.asked.append(nodes)
        if self.away:
            raise DriverError("nobody answers")
        return self.told


def state() -> LoopState:
    made = LoopState(lambda: 0.0)
    made.publish(Observation(1, 0.0, 0.0, WORLD), {})
    return made


def shown(seen: LoopState) -> tuple[str, ...]:
    found = status(seen, POLICY, "a")
    assert found is not None
    return next(line.concerns for line in found.nodes if line.node == "host-a")


async def test_a_concern_is_logged_once_and_shown_until_it_is_gone() -> None:
    hypervisor, seen = Hypervisor({VM: ("it is called c",)}), state()
    inspection = VmChecks(hypervisor, seen, Leading(ONE), 10.0)
    with structlog.testing.capture_logs() as logs:
        await inspection.inspect(WORLD)
        await inspection.inspect(WORLD)

    assert [(each["event"], each["node"], each["why"]) for each in logs] == [("vm.concern", "host-a", "it is called c")]
    assert shown(seen) == ("it is called c",)
    assert hypervisor.asked == [{VM: "host-a"}] * 2

    hypervisor.told = {}
    await inspection.inspect(WORLD)
    assert shown(seen) == ()


async def test_a_hypervisor_that_does_not_answer_changes_nothing() -> None:
    hypervisor, seen = Hypervisor({VM: ("it is called c",)}), state()
    inspection = VmChecks(hypervisor, seen, Leading(ONE), 10.0)
    await inspection.inspect(WORLD)
    hypervisor.away = True
    await inspection.inspect(WORLD)

    assert shown(seen) == ("it is called c",)


async def test_only_who_acts_inspects_and_once_a_minute() -> None:
    hypervisor, lead = Hypervisor(), Leading(None)
    running = VmChecks(hypervisor, state(), lead, 10.0).run()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(running)
        await asyncio.sleep(5 * EACH)
        assert hypervisor.asked == []
        lead.epoch = ONE
        await asyncio.sleep(3 * EACH)
        assert len(hypervisor.asked) == 3
        task.cancel()


async def test_a_bug_of_the_driver_ends_no_controller_for_the_sake_of_advice() -> None:
    class Odd(Hypervisor):
        async def concerns(self, nodes: Mapping[VmId, str]) -> Mapping[VmId, Sequence[str]]:
            raise KeyError("a VM without a name")

    with structlog.testing.capture_logs() as logs:
        await VmChecks(Odd(), state(), Leading(ONE), 10.0).inspect(WORLD)
    assert [each["event"] for each in logs] == ["internal.error"]
