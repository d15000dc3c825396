"""One action, or several that go together, on their way to the storage: what is written before, asked, and answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.actions import Attach, CreateDisk, DeleteDisk, Detach, Fence, NewEpoch, Revoke
from controller.execute import _leaves
from controller.memory_records import Call as RecordCall
from controller.memory_records import Fault as RecordFault
from controller.model import (
    DiskId,
    Epoch,
    Evidence,
    EvidenceKind,
    HistoryEntry,
    Intent,
    Moment,
    NodeId,
    Operation,
    Phase,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.records import RecordsUnavailable
from controller.scribe import PROGRESS, Changed, Setback
from drivers.memory_storage import Call, Fault
from tests.unit.desk import Desk, TiredDriver
from tests.unit.worlds import DISK, EPOCH, V, grant, on, record, vm, world

W = VolumeName("web")
OTHER = replace(record(), name=W, key=VolumeKey("web"), fs_uuid="u2", disk=DiskId("disk-web"))
NEW = record(phase=Phase.CREATING, disk=None, formatted=False)
MADE = DiskId("memory-data-75666699")  # from the key and from the record's own UUID
OFF = Evidence(EvidenceKind.POWERED_OFF, vm(1), "volume data: it is off", "hypervisor")
TAKE, GIVE = Detach(V, DISK, vm(1), OFF, "why"), Attach(V, DISK, vm(1), "why")
GIVE_WEB = Attach(W, DiskId("disk-web"), vm(1), "why")
AWAY = "the storage could not be asked to attach: another controller, or another epoch, acts now"
NO_RAFT = "the records: replace_volume: no answer from the swarm (asked for by the test)"


def both(*attached: int, volume: VolumeRecord | None = None) -> tuple[Desk, World]:
    desk = Desk(volume or record(), *attached, others=(OTHER,))
    w = world(*(on(each) for each in attached), volume=desk.kept)
    return desk, replace(w, volumes=dict(desk.records.store.volumes))


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


FENCE = Fence(V, vm(1), NodeId("n1"), "It is down.")
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
    await desk.scribe.tidy(world(on(1), volume=desk.kept), V)

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


async def test_a_doubt_that_could_not_be_noted_takes_a_new_epoch_before_anything_else() -> None:
    """The record does not say that the call may still come, so whoever acts next must not rely on it: that is we."""
    desk, w = both()
    desk.storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.LOST_AFTER)  # the intent itself: no call leaves
    await desk.do(w, GIVE)
    assert desk.storage.calls == []

    desk, w = both()
    desk.storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    w = replace(w, volumes={**(w.volumes or {}), V: replace(desk.kept, intent=Intent(Operation.ATTACH, EPOCH, vm(1)))})
    desk.records.store.volumes[V] = (w.volumes or {})[V]  # the intent is there already: the next write is the mark
    desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.STALE)
    assert isinstance(await desk.do(w, GIVE), Setback)
    asked = len(desk.storage.calls)

    desk.lead.acting = False  # the new epoch cannot be had now
    first = await desk.all(w, GIVE_WEB)
    desk.lead.acting = True
    second = await desk.all(w, GIVE_WEB, GIVE)
    assert first == {W: Changed("a call was in doubt, so a new epoch came first")}
    assert second == dict.fromkeys((V, W), first[W])
    assert (desk.lead.taken, len(desk.storage.calls)) == (1, asked)

    assert await desk.all(w, GIVE_WEB) == {W: PROGRESS}
    assert desk.lead.taken == 1


async def test_a_doubt_whose_mark_got_no_answer_takes_a_new_epoch_first_too() -> None:
    """The mark may be written or not: nobody knows, so it does not count."""
    volume = record(intent=Intent(Operation.ATTACH, EPOCH, vm(1)))  # there already: the next write is the mark
    desk = Desk(volume)
    desk.storage.fail(Operation.ATTACH, Fault.LOST_BEFORE)
    desk.records.fail(RecordCall.REPLACE_VOLUME, RecordFault.LOST_BEFORE)
    w = world(volume=volume)

    assert await desk.do(w, GIVE) == Setback(NO_RAFT)
    assert isinstance(await desk.do(w, GIVE), Changed)
    assert desk.lead.taken == 1


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
