"""What is kept of a call when the records cannot be written: its doubt, and the story that is told later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from controller.model import (
    DiskId,
    Epoch,
    HistoryEntry,
    Intent,
    Moment,
    Operation,
    Phase,
    Spec,
    VmId,
    VolumeKey,
    VolumeRecord,
)
from controller.planner.actions import Attach, CreateDisk, DeleteDisk, Detach, Fence, Revoke
from controller.reconciler.executor import _leaves
from controller.reconciler.record_writer import PROGRESS, Broken, Setback
from controller.records.base import RecordsUnavailable
from controller.records.memory import Call as RecordCall
from controller.records.memory import Fault as RecordFault
from drivers.base import CreateOutcome, Done, DriverError, Outcome
from drivers.memory import MemoryDriver
from drivers.memory_storage import Fault
from tests.support.executors import Desk
from tests.support.two_volumes import FENCE, GIVE, GIVE_WEB, NO_RAFT, TAKE, W, both
from tests.support.worlds import EPOCH, V, grant, on, record, vm, world


@pytest.mark.parametrize("fault", [RecordFault.STALE, RecordFault.LOST_BEFORE, RecordFault.LOST_AFTER])
async def test_a_doubt_that_could_not_be_noted_is_known_all_the_same(fault: RecordFault) -> None:
    """The record may not say that the call may still come; the next decision must not rest on it as if it could not."""
    volume = record(intent=Intent(Operation.ATTACH, EPOCH, vm(1)))  # there already: the next write is the mark
    desk = Desk(volume)
    desk.storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    desk.records.fail(RecordCall.REPLACE_VOLUME, fault)
    w = world(volume=volume)

    assert isinstance(await desk.do(w, GIVE), Setback)
    assert desk.state.with_doubts(w).volumes == {
        V: replace(volume, intent=Intent(Operation.ATTACH, EPOCH, vm(1), in_doubt=True))
    }


async def test_an_intent_that_could_not_be_written_leaves_no_doubt() -> None:
    """No call left."""
    desk, w = both()
    desk.storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.LOST_AFTER)
    await desk.do(w, GIVE)

    assert desk.storage.calls == []
    w = replace(w, volumes=dict(desk.records.store.volumes))
    assert desk.state.with_doubts(w) == w


@pytest.mark.parametrize(
    ("phase", "action"),
    [(Phase.READY, TAKE), (Phase.READY, replace(TAKE, evidence=None)), (Phase.READY, FENCE),
     (Phase.READY, Revoke(V, "It moved.")), (Phase.DELETING, DeleteDisk(V))],
    ids=["detach with a proof", "detach as the fence", "fence", "revoke", "delete"],
)  # fmt: skip
async def test_whatever_is_written_next_tells_of_the_move_before_it(
    phase: Phase, action: Detach | Fence | Revoke | DeleteDisk
) -> None:
    """An older leader's attach was done, and nobody noted it: the next write does, whoever makes it."""
    volume = record(grant(1), intent=Intent(Operation.ATTACH, Epoch(6), vm(1)), phase=phase)
    desk = Desk(volume, 1)
    desk.storage.fail(Operation.DELETE, Fault.LOST_BEFORE)
    await desk.do(world(on(1), volume=volume), action)

    assert desk.kept.history[0] == HistoryEntry(
        Moment.ATTACHED, 1000.0, Epoch(6), "disk disk-data attached to VM vm1", "swarm01"
    )


def test_errors_of_records_are_found_in_groups_of_groups() -> None:
    one, two = RecordsUnavailable("one"), RecordsUnavailable("two")

    errors = ExceptionGroup("", [ExceptionGroup("", [one]), two])

    assert _leaves(errors) == [one, two]  # type: ignore[arg-type]


async def test_records_that_cannot_be_reached_are_one_reason_for_every_volume() -> None:
    """However many writes failed at once, and in whatever group, the sentence is said once."""
    desk, w = both()
    for _ in range(2):
        desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.LOST_BEFORE)

    assert await desk.all(w, GIVE, GIVE_WEB) == dict.fromkeys((V, W), Setback(NO_RAFT))
    assert desk.storage.calls == []


NEW, DOOMED = record(phase=Phase.CREATING, disk=None, formatted=False), record(phase=Phase.DELETING)
CALLS = [(NEW, CreateDisk(V)), (DOOMED, DeleteDisk(V)), (record(), GIVE), (record(), TAKE)]


@pytest.mark.parametrize(("volume", "action"), CALLS, ids=["create", "delete", "attach", "detach"])
@pytest.mark.parametrize("fault", [*Fault])
async def test_only_a_call_that_surely_did_not_happen_leaves_no_doubt(
    volume: VolumeRecord, action: CreateDisk | DeleteDisk | Attach | Detach, fault: Fault
) -> None:
    """A driver that meets a bug in its call may have asked before: as in doubt as one that got no answer."""
    desk = Desk(volume)
    desk.storage.fail(action_of(action), fault)
    end = await desk.do(world(volume=volume), action)

    surely = fault in {Fault.REFUSED, Fault.UNREACHABLE}
    intent = desk.kept.intent
    assert isinstance(end, Broken if fault is Fault.BROKEN else Setback)
    assert (None if intent is None else intent.in_doubt) is (None if surely else True)


def action_of(action: CreateDisk | DeleteDisk | Attach | Detach) -> Operation:
    kinds = {
        CreateDisk: Operation.CREATE,
        DeleteDisk: Operation.DELETE,
        Attach: Operation.ATTACH,
        Detach: Operation.DETACH,
    }
    return kinds[type(action)]


class StrangeDriver(MemoryDriver):
    """It does what it is told, and answers what its contract does not know."""

    async def delete(self, disk: DiskId) -> Outcome:
        await super().delete(disk)
        return None  # type: ignore[return-value]

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return [*await super().attach(disks, vm, epoch), Done()]

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        raise TimeoutError

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        raise DriverError("it could not be read")


@pytest.mark.parametrize(("volume", "action"), CALLS, ids=["create", "delete", "attach", "detach"])
async def test_what_no_contract_knows_leaves_a_doubt(
    volume: VolumeRecord, action: CreateDisk | DeleteDisk | Attach | Detach
) -> None:
    """An answer that is none, one too many, an error of reading out of a change, a timeout that is not ours."""
    desk = Desk(volume)
    desk.use(StrangeDriver(desk.storage))
    end = await desk.do(world(volume=volume), action)

    assert isinstance(end, Broken)
    assert desk.kept.intent is not None
    assert desk.kept.intent.in_doubt


async def test_a_power_driver_with_a_bug_is_told_and_the_next_look_sees_what_it_did() -> None:
    desk = Desk(record())
    desk.storage.fail(Operation.POWER_OFF, Fault.BROKEN)

    assert isinstance(await desk.do(world(volume=record()), FENCE), Broken)
    assert await desk.do(world(volume=desk.kept), FENCE) == PROGRESS
