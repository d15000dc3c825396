"""What one look at all hosts says about a change."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import Attachment, DiskId, Epoch, VmId
from drivers.base import Done, Listing, Refused
from drivers.libvirt.decide import Look, Step, attachments, joined, listing, to_attach, to_detach
from drivers.libvirt.inventory import HeldDisk, HostView, Pool, Seat, Side
from drivers.libvirt.standing import Standing

POOL = Pool("reberth", "dir", "/pool", active=True)
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


def look(*seats: Seat, lost: tuple[str, ...] = ()) -> Look:
    return Look(POOL, seats, lost)


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


def test_hosts_that_do_not_share_one_folder_are_not_one_storage_system() -> None:
    def view(uri: str, pool: Pool) -> HostView:
        return HostView(uri, pool, ())

    other, volumes = Pool("reberth", "dir", "/elsewhere", active=True), Pool("reberth", "logical", "/vg", active=True)
    assert isinstance(joined([view("a", POOL), view("b", POOL)]), Look)
    assert "same shared folder" in str(joined([view("a", POOL), view("b", other)]))
    assert "works on files only" in str(joined([view("a", volumes)]))


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
