"""What one look at all hosts says about a change."""

from __future__ import annotations

from controller.model import Attachment, DiskId, Epoch, Power, VmId
from drivers.base import Done, Refused
from drivers.libvirt.decide import Look, attachments, joined, powers, to_attach, to_detach
from drivers.libvirt.domain import HeldDisk, Pool, Seat, Side, places

POOL = Pool("reberth", "dir", "/pool", active=True)
DISK, OTHER = DiskId("/pool/reberth-a.qcow2"), DiskId("/pool/reberth-b.qcow2")
ONE, TWO, THREE = VmId("one"), VmId("two"), VmId("three")
HELD = HeldDisk((DISK,), "sdb", "scsi", "ua-reberth-1-x", unit=1)


def side(*disks: HeldDisk, stamps: dict[Epoch, int] | None = None) -> Side:
    return Side(disks, 0, stamps or {})


def seat(vm: VmId, live: Side | None, kept: Side | None, host: int = 0) -> Seat:
    return Seat(host, vm, f"name of {vm}", live, kept)


def look(*seats: Seat) -> Look:
    return Look(POOL, seats)


def test_a_disk_in_either_configuration_is_an_attachment_once() -> None:
    both = seat(ONE, side(HELD, stamps={Epoch(2): 1}), side(HELD, stamps={Epoch(2): 1}))
    off = seat(TWO, None, side(HeldDisk((OTHER,), "sdb", "scsi")))
    assert attachments(look(both, off)) == [Attachment(DISK, ONE, epoch=Epoch(2)), Attachment(OTHER, TWO)]


def test_a_file_under_a_snapshot_is_still_an_attachment() -> None:
    over = HeldDisk(("/elsewhere/over.qcow2", DISK), "sdb", "scsi")
    assert attachments(look(seat(ONE, side(over), None))) == [Attachment(DISK, ONE)]


def test_a_vm_that_is_off_on_one_host_is_unknown_while_another_host_does_not_answer() -> None:
    """It may have moved there and left its configuration behind."""
    assert powers([{ONE: False}, None], [ONE]) == {ONE: Power.UNKNOWN}
    assert powers([{ONE: False}, {}], [ONE]) == {ONE: Power.OFF}


def test_a_vm_that_runs_on_one_host_is_on_whatever_its_left_behind_configuration_says() -> None:
    assert powers([{ONE: False}, {ONE: True}], [ONE]) == {ONE: Power.ON}
    assert powers([None, {ONE: True}], [ONE]) == {ONE: Power.ON}


def test_a_vm_that_nobody_knows_is_unknown() -> None:
    assert powers([{}, {}], [ONE]) == {ONE: Power.UNKNOWN}


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


def test_places_are_used_in_turn_and_never_twice() -> None:
    here = seat(ONE, side(HELD, stamps={Epoch(1): 253, Epoch(2): 254}), side(HELD))
    assert [(each.unit, each.target) for each in places(here, 3)] == [(2, "sda"), (3, "sdc"), (4, "sdd")]


def test_hosts_that_do_not_share_one_folder_are_not_one_storage_system() -> None:
    other = Pool("reberth", "dir", "/elsewhere", active=True)
    assert isinstance(joined({"a": POOL, "b": POOL}, []), Look)
    assert "same shared folder" in str(joined({"a": POOL, "b": other}, []))
    assert "works on files only" in str(joined({"a": Pool("reberth", "logical", "/dev/vg", active=True)}, []))
