"""What one look at all hosts says about a change."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import Attachment, AttachmentState, DiskId, Epoch, VmId
from drivers.base import Done, Listing, Refused
from drivers.libvirt.decide import Look, Step, attachments, listing, to_attach, to_detach
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import HeldDisk, Seat, Side
from drivers.libvirt.looking.pools import Pool, Pools, Unusable, only
from drivers.libvirt.standing import Standing

POOL = Pool("reberth", "dir", "/pool", active=True)
FAST = Pool("fast", "dir", "/fast", active=True)
LOST = Unusable("lost", Fault(Kind.NO_POOL, "a has no storage pool lost"))
DISK, OTHER = DiskId("/pool/reberth-a.qcow2"), DiskId("/pool/reberth-b.qcow2")
ONE, TWO, THREE = VmId("one"), VmId("two"), VmId("three")
HELD = HeldDisk((DISK,), "sdb", "scsi", "ua-reberth-1-x", unit=1)


def side(*disks: HeldDisk, stamps: dict[Epoch, int] | None = None) -> Side:
    return Side(disks, 0, stamps or {})


def seat(
    vm: VmId, live: Side | None, kept: Side | None, host: int = 0, stands: Standing | None = None, **more: Any
) -> Seat:
    stands = stands or (Standing.OFF if live is None else Standing.RUNS)
    return Seat(host, vm, f"name of {vm}", live, kept, standing=stands, **more)


def look(*seats: Seat, lost: tuple[str, ...] = (), pools: Pools = only(POOL)) -> Look:  # noqa: B008 - it is frozen
    return Look(pools, seats, lost)


def refusal(step: Step) -> str:
    (outcome,) = step.known.values()
    assert isinstance(outcome, Refused)
    assert not step.seats
    return outcome.why


def test_a_disk_in_either_configuration_is_an_attachment_once() -> None:
    both = seat(ONE, side(HELD, stamps={Epoch(2): 1}), side(HELD, stamps={Epoch(2): 1}))
    off = seat(TWO, None, side(HeldDisk((OTHER,), "sdb", "scsi")))
    assert attachments(look(both, off)) == [Attachment(DISK, ONE, epoch=Epoch(2)), Attachment(OTHER, TWO)]


def test_a_file_under_a_snapshot_is_still_an_attachment() -> None:
    over = HeldDisk(("/elsewhere/over.qcow2", DISK), "sdb", "scsi")
    assert attachments(look(seat(ONE, side(over), None))) == [Attachment(DISK, ONE)]


def test_the_highest_stamp_of_all_hosts_and_configurations_counts() -> None:
    found = look(
        seat(ONE, side(HELD, stamps={Epoch(1): 1}), side(HELD, stamps={Epoch(3): 1})), seat(ONE, None, side(), host=1)
    )
    for step in (to_attach(found, [DISK], ONE, Epoch(2)), to_detach(found, [DISK], ONE, Epoch(2))):
        outcome = step.known[DISK]
        assert isinstance(outcome, Refused)
        assert "epoch 3" in outcome.why
        assert not step.seats


def test_a_vm_on_two_hosts_at_once_is_moving_and_left_alone() -> None:
    found = look(seat(ONE, side(HELD), None, host=0), seat(ONE, side(HELD), None, host=1))
    for step in (to_attach(found, [OTHER], ONE, Epoch(1)), to_detach(found, [DISK], ONE, Epoch(1))):
        (outcome,) = step.known.values()
        assert isinstance(outcome, Refused)
        assert "moving" in outcome.why


def test_a_disk_goes_to_the_host_on_which_the_vm_runs() -> None:
    left, runs = seat(ONE, None, side(), host=0), seat(ONE, side(), side(), host=1)
    step = to_attach(look(left, runs), [DISK], ONE, Epoch(1))
    assert (step.todo, step.seats) == ((DISK,), (runs,))


def test_a_detach_visits_every_host_that_has_the_disk_in_a_configuration_of_the_vm() -> None:
    left, runs = seat(ONE, None, side(HELD), host=0), seat(ONE, side(HELD), side(HELD), host=1)
    step = to_detach(look(left, runs, seat(TWO, side(), None)), [DISK], ONE, Epoch(1))
    assert step.seats == (left, runs)


def test_an_attached_disk_under_an_older_stamp_is_done_and_stamped() -> None:
    here = seat(ONE, side(HELD, stamps={Epoch(1): 1}), side(HELD, stamps={Epoch(1): 1}))
    step = to_attach(look(here), [DISK], ONE, Epoch(2))
    assert (step.known, step.todo, step.seats) == ({DISK: Done()}, (), (here,))
    assert to_attach(look(here), [DISK], ONE, Epoch(1)).seats == ()


def test_a_path_outside_of_the_pool_is_refused() -> None:
    for path in ("/pool/../etc/reberth-x", "/etc/passwd", "/pool/other.qcow2", "/pool/sub/reberth-x"):
        (outcome,) = to_attach(look(seat(ONE, side(), None)), [DiskId(path)], ONE, Epoch(1)).known.values()
        assert isinstance(outcome, Refused)


def test_a_disk_in_any_pool_of_the_settings_is_attached_and_detached() -> None:
    both, other = Pools("reberth", (POOL, FAST)), DiskId("/fast/reberth-a.qcow2")
    held = seat(ONE, side(HeldDisk((other,), "sdb", "scsi")), side(HeldDisk((other,), "sdb", "scsi")))
    assert attachments(look(held, pools=both)) == [Attachment(other, ONE)]
    assert to_detach(look(held, pools=both), [other], ONE, Epoch(1)).todo == (other,)
    assert to_attach(look(held, pools=both), [DISK], ONE, Epoch(1)).todo == (DISK,)
    assert "not one of our files in /pool (pool reberth)" in refusal(to_detach(look(held), [other], ONE, Epoch(1)))


def test_a_disk_that_we_attached_from_a_pool_that_no_host_shows_is_uncertain_and_left_alone() -> None:
    """Of the others all is known."""
    other = DiskId("/lost/reberth-a.qcow2")
    ours, anybodys = HeldDisk((other,), "sdb", "scsi", "ua-reberth-1-x"), HeldDisk(("/else/reberth-b",), "sdc", "scsi")
    found = look(seat(ONE, side(HELD, ours, anybodys), None), pools=Pools("reberth", (POOL,), (LOST,)))
    listed = listing(found)
    assert set(listed.attachments) == {Attachment(DISK, ONE), Attachment(other, ONE, AttachmentState.UNCERTAIN)}
    assert listed.unread == ()
    assert listed.seen == {ONE}
    assert listed.odd == {other: f"{other} lies in no pool that can be used now: a has no storage pool lost"}
    for step in (to_attach(found, [other], ONE, Epoch(1)), to_detach(found, [other], ONE, Epoch(1))):
        assert "has no storage pool lost" in refusal(step)
    assert to_detach(found, [DISK], ONE, Epoch(1)).todo == (DISK,)


def test_a_host_that_does_not_show_a_pool_gets_no_disk_of_it_and_gives_those_that_it_has() -> None:
    gap = {(0, "fast"): Fault(Kind.NO_POOL, "a has no storage pool fast")}
    pools, disk = Pools("reberth", (POOL, FAST), gaps=gap), DiskId("/fast/reberth-a.qcow2")
    held = side(HeldDisk((disk,), "sdb", "scsi"))
    here, there, has = seat(ONE, side(), side()), seat(TWO, side(), side(), host=1), seat(THREE, held, held)
    assert "a has no storage pool fast" in refusal(to_attach(look(here, pools=pools), [disk], ONE, Epoch(1)))
    assert to_attach(look(here, pools=pools), [DISK], ONE, Epoch(1)).todo == (DISK,)
    assert to_attach(look(there, pools=pools), [disk], TWO, Epoch(1)).todo == (disk,)
    assert to_attach(look(has, pools=pools), [disk], THREE, Epoch(1)).known == {disk: Done()}
    assert to_detach(look(has, pools=pools), [disk], THREE, Epoch(1)).todo == (disk,)


def test_a_saved_vm_has_the_disks_that_are_in_the_image_of_its_memory() -> None:
    saved = seat(ONE, None, side(), stands=Standing.SAVED, saved=side(HELD))
    assert attachments(look(saved)) == [Attachment(DISK, ONE)]


@pytest.mark.parametrize("stands", [Standing.SAVED, Standing.SAVED_TO_FILE, Standing.MIGRATED])
def test_nothing_is_taken_from_the_configuration_of_a_vm_that_goes_on_elsewhere_or_later(stands: Standing) -> None:
    why = refusal(to_detach(look(seat(ONE, None, side(HELD), stands=stands)), [DISK], ONE, Epoch(1)))
    assert stands.value in why


def test_what_a_moved_vm_left_behind_does_not_keep_a_disk_on_it_where_it_runs() -> None:
    left, runs = seat(ONE, None, side(), 0, Standing.MIGRATED), seat(ONE, side(HELD), side(HELD), host=1)
    assert to_detach(look(left, runs), [DISK], ONE, Epoch(1)).todo == (DISK,)


def test_why_a_vm_that_does_not_run_gets_no_disk_is_said() -> None:
    saved = seat(ONE, None, side(), stands=Standing.SAVED)
    assert "is saved with its memory" in refusal(to_attach(look(saved), [DISK], ONE, Epoch(1)))
    assert "is off" in refusal(to_attach(look(seat(ONE, None, side())), [DISK], ONE, Epoch(1)))


def test_a_lost_host_is_said_and_only_vms_that_run_on_another_one_are_known_whole() -> None:
    runs, off = seat(ONE, side(HELD), side(HELD)), seat(TWO, None, side())
    listed = listing(look(runs, off, lost=("b does not answer",)))
    assert listed == Listing((Attachment(DISK, ONE),), frozenset({ONE}), ("b does not answer",))
    assert listing(look(runs, off)) == Listing((Attachment(DISK, ONE),), frozenset({ONE, TWO}))


def test_a_vm_whose_configuration_cannot_be_understood_is_unread_and_left_alone() -> None:
    blind = seat(ONE, None, None, stands=Standing.RUNS, unread="odd XML")
    listed = listing(look(blind, seat(TWO, side(HELD), None)))
    assert listed == Listing((Attachment(DISK, TWO),), frozenset({TWO}), ("odd XML",))
    for step in (to_attach(look(blind), [DISK], ONE, Epoch(1)), to_detach(look(blind), [DISK], ONE, Epoch(1))):
        assert refusal(step) == "odd XML"


def test_a_vm_that_runs_on_no_host_that_answers_is_not_changed_while_one_is_lost() -> None:
    """It may run there: what is taken from a configuration that it left behind is not taken from it."""
    found = look(seat(ONE, None, side(HELD)), lost=("b does not answer",))
    assert "may run on another one: b does not answer" in refusal(to_detach(found, [DISK], ONE, Epoch(1)))
    runs = look(seat(ONE, side(HELD), side(HELD)), lost=("b does not answer",))
    assert to_detach(runs, [DISK], ONE, Epoch(1)).todo == (DISK,)


def test_a_vm_without_a_controller_gets_no_disk_until_a_person_gave_it_one() -> None:
    """Waiting cannot help: who mounts is told at once, so that Swarm tries another node."""
    step = to_attach(look(seat(ONE, Side((), None, {}), side())), [DISK], ONE, Epoch(1))
    (outcome,) = step.known.values()

    assert isinstance(outcome, Refused)
    assert outcome.why == "VM name of one has no virtio-scsi controller"
    assert outcome.cure is not None
    assert "model='virtio-scsi'" in outcome.cure
