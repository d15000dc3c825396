"""One action, or several that go together, on their way to the storage: what is written before, asked, and answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.model import (
    DiskId,
    Epoch,
    EvidenceKind,
    HistoryEntry,
    Intent,
    Moment,
    Operation,
    Phase,
    VolumeRecord,
)
from controller.planner.actions import Attach, CreateDisk, DeleteDisk, Detach, Fence, NewEpoch, Wait
from controller.reconciler.record_writer import PROGRESS, Changed, Setback
from controller.records.memory import Call as RecordCall
from controller.records.memory import Fault as RecordFault
from drivers.memory_storage import Call, Fault
from tests.support.executors import AskingDriver, Desk, TiredDriver
from tests.support.two_volumes import FENCE, GIVE, GIVE_WEB, TAKE, W, both
from tests.support.worlds import DISK, EPOCH, V, grant, on, record, vm, world

NEW = record(phase=Phase.CREATING, disk=None, formatted=False)
MADE = DiskId("memory-data-75666699")  # from the key and from the record's own UUID
AWAY = "the storage could not be asked to attach: another controller, or another epoch, acts now"


async def test_a_disk_is_made_under_a_name_of_its_own_and_its_record_is_ready() -> None:
    desk = Desk(NEW)

    assert await desk.do(world(volume=NEW), CreateDisk(V)) == PROGRESS
    assert desk.storage.disks == {MADE: 1 << 30}
    assert (desk.kept.disk, desk.kept.phase, desk.kept.intent) == (MADE, Phase.READY, None)
    assert desk.kept.history == (
        HistoryEntry(Moment.CREATED, 1000.0, EPOCH, f"disk {MADE}, 1073741824 bytes"),
    )  # fmt: skip


async def test_a_disk_that_is_looked_for_only_to_be_deleted_leaves_the_record_removed() -> None:
    volume = replace(NEW, phase=Phase.DELETING, intent=Intent(Operation.CREATE, EPOCH, in_doubt=True))
    desk = Desk(volume)

    assert await desk.do(world(volume=volume), CreateDisk(V)) == PROGRESS
    assert (desk.kept.disk, desk.kept.phase) == (MADE, Phase.DELETING)


@pytest.mark.parametrize(
    ("fault", "why", "intent"),
    [
        (
            Fault.LOST_AFTER,
            "create is in doubt: no answer to this create",
            Intent(Operation.CREATE, EPOCH, at=1000.0, in_doubt=True),
        ),
        (
            Fault.REFUSED,
            "the storage refused to create: the storage in memory was told to refuse this create",
            None,
        ),
    ],
)
async def test_a_disk_that_could_not_be_made_leaves_only_its_doubt(
    fault: Fault, why: str, intent: Intent | None
) -> None:
    desk = Desk(NEW)
    desk.storage.fail(Operation.CREATE, fault)

    assert await desk.do(world(volume=NEW), CreateDisk(V)) == Setback(why)
    assert (desk.kept.disk, desk.kept.phase, desk.kept.intent) == (None, Phase.CREATING, intent)


async def test_a_removed_volume_loses_its_disk_and_its_record() -> None:
    volume = record(phase=Phase.DELETING)
    desk = Desk(volume)

    assert await desk.do(world(volume=volume), DeleteDisk(V)) == PROGRESS
    assert desk.storage.disks == {}
    assert desk.records.store.volumes == {}


@pytest.mark.parametrize(
    ("volume", "action"),
    [(NEW, CreateDisk(V)), (record(phase=Phase.DELETING), DeleteDisk(V)), (record(), GIVE), (record(), TAKE)],
    ids=["create", "delete", "attach", "detach"],
)
async def test_without_the_intent_in_the_record_the_storage_is_not_asked(
    volume: VolumeRecord, action: CreateDisk | DeleteDisk | Attach | Detach
) -> None:
    """Somebody else wrote first: what we decided on is no longer so."""
    desk = Desk(volume)
    desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.STALE)
    end = await desk.do(world(volume=volume), action)

    assert isinstance(end, Changed)
    assert end.why
    assert desk.storage.calls == []


DOOMED = record(phase=Phase.DELETING)


@pytest.mark.parametrize(
    ("volume", "action"),
    [(record(), GIVE), (record(), TAKE), (record(), FENCE), (DOOMED, DeleteDisk(V)), (NEW, CreateDisk(V))],
    ids=["attach", "detach", "fence", "delete", "create"],
)
async def test_who_does_not_lead_any_more_does_not_ask_the_storage(
    volume: VolumeRecord, action: Attach | Detach | Fence | DeleteDisk | CreateDisk
) -> None:
    desk = Desk(volume)
    desk.lead.acting = False
    end = await desk.do(world(volume=volume), action)

    assert isinstance(end, Setback)
    assert end.why.endswith(": another controller, or another epoch, acts now")
    assert desk.storage.calls == []
    assert desk.kept.intent is None


@pytest.mark.parametrize("action", [GIVE, FENCE], ids=["attach", "fence"])
async def test_a_call_overtaken_by_our_own_new_epoch_is_no_setback(action: Attach | Fence) -> None:
    """Another volume's doubt asked for that epoch: this one looks again at once, and leaves no trace."""
    desk = Desk(record())
    desk.lead.epoch = Epoch(EPOCH + 1)

    assert await desk.do(world(volume=record()), action) == PROGRESS
    assert desk.storage.calls == []
    assert desk.kept.intent is None


async def test_disks_for_one_vm_go_in_one_call_with_one_answer_each() -> None:
    desk, w = both()

    assert await desk.all(w, GIVE, GIVE_WEB) == {V: PROGRESS, W: PROGRESS}
    assert desk.storage.calls == [Call(Operation.ATTACH, (DISK, DiskId("disk-web")), vm(1), EPOCH)]
    assert desk.kept.intent == Intent(Operation.ATTACH, EPOCH, vm(1), at=1000.0)


async def test_all_disks_of_a_call_share_its_doubt_and_its_want_of_a_leader() -> None:
    desk, w = both()
    desk.storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    doubt = await desk.all(w, GIVE, GIVE_WEB)
    desk, w = both()
    desk.lead.acting = False
    away = await desk.all(w, GIVE, GIVE_WEB)

    assert doubt == dict.fromkeys((V, W), Setback("attach is in doubt: no answer to this attach"))
    assert away == dict.fromkeys((V, W), Setback(AWAY))


async def test_a_volume_that_changed_meanwhile_does_not_hold_up_the_others() -> None:
    desk, w = both()
    desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.STALE)
    ends = await desk.all(w, GIVE, GIVE_WEB)

    assert [type(ends[each]) for each in (V, W)] == [Changed, type(PROGRESS)]
    assert desk.storage.calls == [Call(Operation.ATTACH, (DiskId("disk-web"),), vm(1), EPOCH)]


@pytest.mark.looptime
async def test_a_call_without_an_answer_in_time_is_in_doubt_for_all_its_disks() -> None:
    """The deadline is ours, not the storage's: the call may still do its work."""
    desk, w = both()
    desk.storage.seconds = 60.0
    started = asyncio.get_running_loop().time()
    ends = await desk.all(w, GIVE, GIVE_WEB)

    assert ends == dict.fromkeys((V, W), Setback("attach is in doubt: no answer within 5 s"))
    assert asyncio.get_running_loop().time() - started == pytest.approx(5.0)
    assert desk.kept.intent == Intent(Operation.ATTACH, EPOCH, vm(1), at=1000.0, in_doubt=True)


async def test_a_detach_with_proof_notes_the_proof_in_the_intent_and_in_the_history() -> None:
    volume = record()
    desk = Desk(volume, 1)

    assert await desk.do(world(on(1), volume=volume), TAKE) == PROGRESS
    assert desk.storage.calls == [Call(Operation.DETACH, (DISK,), vm(1), EPOCH)]
    assert desk.kept.intent == Intent(Operation.DETACH, EPOCH, vm(1), EvidenceKind.POWERED_OFF, 1000.0)
    assert desk.kept.history == (
        HistoryEntry(
            Moment.EVIDENCE, 1000.0, EPOCH, "volume data: it is off", "swarm01", EvidenceKind.POWERED_OFF
        ),
    )  # fmt: skip


async def test_a_detach_that_is_itself_the_fence_has_no_proof_to_note() -> None:
    volume = record(grant(1), serial=2)
    desk = Desk(volume, 1)

    assert await desk.do(world(on(1), volume=volume), replace(TAKE, evidence=None)) == PROGRESS
    assert desk.kept.intent == Intent(Operation.DETACH, EPOCH, vm(1), at=1000.0)
    assert desk.kept.history == ()


async def test_a_detach_tried_again_after_the_proof_was_noted_writes_nothing() -> None:
    told = HistoryEntry(Moment.EVIDENCE, 1.0, EPOCH, "it is off", "swarm01", EvidenceKind.POWERED_OFF)
    volume = record(
        intent=Intent(Operation.DETACH, EPOCH, vm(1), EvidenceKind.POWERED_OFF, 900.0), history=(told,)
    )  # fmt: skip
    desk = Desk(volume, 1)
    await desk.do(world(on(1), volume=volume), TAKE)

    assert RecordCall.REPLACE_VOLUME not in desk.records.calls
    assert desk.storage.attached[DISK] == set()


async def test_a_done_move_is_timed_when_the_storage_says_so() -> None:
    """Its entry comes with the next write, which may be later."""
    volume = record()
    desk = Desk(volume)
    await desk.do(world(volume=volume), GIVE)
    desk.now = 1020.0
    await desk.do(world(on(1), volume=desk.kept), Wait(V, "why"))

    assert [(each.moment, each.at) for each in desk.kept.history] == [(Moment.ATTACHED, 1000.0)]


async def test_a_storage_that_asks_for_quiet_is_left_alone_for_that_long() -> None:
    volume = record()
    desk = Desk(volume)
    desk.use(TiredDriver(desk.storage))

    assert await desk.do(world(volume=volume), GIVE) == Setback("the storage refused to attach: the host is full", 7.0)


async def test_a_new_epoch_serves_all_volumes_that_ask_for_it() -> None:
    desk, w = both()

    assert await desk.all(w, NewEpoch(V, "why"), NewEpoch(W, "why")) == {V: PROGRESS, W: PROGRESS}
    assert desk.lead.taken == 1


async def test_a_new_epoch_that_somebody_else_took_is_told() -> None:
    desk, w = both()
    desk.lead.acting = False

    assert await desk.all(w, NewEpoch(V, "why")) == {V: Changed("another controller acts now")}


async def test_a_fence_for_several_volumes_is_one_call_told_in_each_record() -> None:
    """It names the VM and the node of the holder, and is told anew where something else was told since."""
    desk, w = both(1)
    fences = [replace(FENCE, volume=each) for each in (V, W)]
    told = HistoryEntry(Moment.FENCED, 1000.0, EPOCH, "power-off of VM vm1 asked for: It is down.", "swarm01")

    assert await desk.all(w, *fences) == {V: PROGRESS, W: PROGRESS}
    assert desk.storage.calls == [Call(Operation.POWER_OFF, vm=vm(1))]
    assert [each.history for each in desk.records.store.volumes.values()] == [(told,), (told,)]
    for before, again in ((replace(told, node="swarm02"), 2), (replace(told, moment=Moment.EVIDENCE), 2), (told, 1)):
        volume = record(history=(before,))
        desk = Desk(volume, 1)
        await desk.do(world(on(1), volume=volume), fences[0])
        assert len(desk.kept.history) == again


async def test_a_driver_with_options_of_attached_disks_is_told_what_each_volume_says() -> None:
    desk, w = both()
    driver = AskingDriver(desk.storage)
    desk.use(driver)

    assert set((await desk.all(w, GIVE, GIVE_WEB)).values()) == {PROGRESS}
    assert driver.told == [{each.disk: (w.volumes or {})[each.volume].spec for each in (GIVE, GIVE_WEB)}]
