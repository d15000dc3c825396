"""Old grants leave the record with the intent of the detach, and stay away whatever becomes of the call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Evidence, EvidenceKind, Intent, Moment, Operation
from controller.planner.actions import Detach
from controller.reconciler.record_writer import PROGRESS, Setback
from drivers.memory_storage import Fault
from tests.support.executors import Desk
from tests.support.worlds import DISK, EPOCH, V, grant, on, record, vm, world

HELD = record(grant(1), grant(2, "t2"), serial=3)
PROOF = Evidence(EvidenceKind.POWERED_OFF, vm(1), "volume data: it is off", "hypervisor")
TAKE = Detach(V, DISK, vm(1), PROOF, "why", (grant(1),))
TAKEN = Intent(Operation.DETACH, EPOCH, vm(1), EvidenceKind.POWERED_OFF, 1000.0)


async def test_the_intent_and_the_end_of_the_old_grants_are_one_write() -> None:
    desk = Desk(HELD, 1)

    assert await desk.do(world(on(1), volume=HELD), TAKE) == PROGRESS
    assert (desk.kept.grants, desk.kept.intent) == ((grant(2, "t2"),), TAKEN)
    assert desk.kept.version == HELD.version + 1
    assert [each.moment for each in desk.kept.history] == [Moment.EVIDENCE]
    assert desk.storage.attached[DISK] == set()


async def test_grants_go_also_where_the_same_intent_was_tried_before_and_its_evidence_is_told() -> None:
    first = Desk(HELD, 1)
    await first.do(world(on(1), volume=HELD), TAKE)
    tried = replace(first.kept, grants=HELD.grants)
    desk = Desk(tried, 1)

    await desk.do(world(on(1), volume=tried), TAKE)
    assert desk.kept.grants == (grant(2, "t2"),)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.UNREACHABLE, Fault.LOST_BEFORE])
async def test_what_was_proven_dead_does_not_come_back_when_the_call_fails(fault: Fault) -> None:
    desk = Desk(HELD, 1)
    desk.storage.fail(Operation.DETACH, fault)

    assert isinstance(await desk.do(world(on(1), volume=HELD), TAKE), Setback)
    assert desk.kept.grants == (grant(2, "t2"),)
