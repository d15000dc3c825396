"""What is forgotten, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.model import BootId, Confirmation, GateView, NodeId, NodeState, VmId, World
from controller.reconciler.nodes.housekeeping import Housekeeping, withdrawn
from controller.records.base import NodeRecord
from controller.records.memory import Call, Fault, MemoryRecords
from tests.support.worlds import node, vm, world

SAID = Confirmation(NodeId("n1"), vm(1), BootId("b1"), "unplugged", at=100.0)
NOW = 200.0


def down(*, boot: str = "b1", age: float | None = None) -> World:
    """Node 1 is down; its gate was heard so many seconds ago."""
    gates = {} if age is None else {vm(1): GateView(NodeId("n1"), vm(1), BootId(boot), age)}
    return replace(world(nodes=[node(1, NodeState.DOWN, down_for=60.0)]), gates=gates)


@pytest.mark.parametrize(
    ("seen", "ends"),
    [
        (world(), True),
        (down(), False),
        (down(age=99.0), True),
        (down(age=101.0), False),
        (down(boot="b2", age=1.0), False),
        (replace(down(), departed=(NodeId("n1"),)), True),
    ],
    ids=["ready", "silent", "spoke since", "spoke before", "another boot", "left"],
)
def test_a_persons_word_that_a_node_is_dead_ends_when_that_boot_lives(seen: World, ends: bool) -> None:
    assert (withdrawn(SAID, seen, NOW) is not None) is ends


async def test_a_record_that_cannot_be_removed_now_does_not_keep_the_others() -> None:
    records = MemoryRecords()
    for name in ("n1", "n2"):
        await records.put_node(NodeRecord(NodeId(name), VmId(name), BootId("b"), name))
    await records.confirm(SAID)
    records.fail(Call.WITHDRAW, Fault.LOST_BEFORE)
    seen = replace(world(), confirmations=(SAID,), departed=(NodeId("n1"), NodeId("n2")))
    await Housekeeping(records).run(seen, NOW)
    assert (await records.nodes(), await records.confirmations()) == ({}, (SAID,))

    await Housekeeping(records).run(seen, NOW)
    assert await records.confirmations() == ()


class Buggy(MemoryRecords):
    async def keep(self) -> None:
        raise ValueError("invalid literal for int()")


async def test_a_bug_in_what_nothing_rests_on_is_told_once_and_ends_no_controller() -> None:
    housekeeping = Housekeeping(Buggy())
    with capture_logs() as logs:
        for _ in range(3):
            await housekeeping.run(world(), NOW)
    assert [each["event"] for each in logs] == ["internal.error"]
