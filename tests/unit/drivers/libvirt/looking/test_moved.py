"""A disk of ours is known by what its device bears, whatever file that is on."""

from __future__ import annotations

from dataclasses import replace

from controller.model import Attachment, AttachmentState, DiskId, Epoch, VmId
from drivers.base import Done, Refused
from drivers.libvirt.decide import Look, attachments, listing, to_attach, to_detach
from drivers.libvirt.devices import serial, wwn
from drivers.libvirt.growing import to_resize
from drivers.libvirt.inventory import HeldDisk, Seat, Side, parse_side
from drivers.libvirt.looking.moved import guesses, moved, named, strays
from drivers.libvirt.looking.pools import Pool, Pools, ceph_pool, only
from drivers.libvirt.standing import Standing
from drivers.libvirt.vm_checks import concerns

POOL, FAST = Pool("reberth", "dir", "/pool", active=True), Pool("fast", "dir", "/fast", active=True)
DISK, OTHER = DiskId("/pool/reberth-a.qcow2"), DiskId("/pool/reberth-b.qcow2")
ONE, TWO = VmId("one"), VmId("two")
NOW = Epoch(1)


def device(disk: DiskId, *files: str, target: str = "sdb", **more: str) -> HeldDisk:
    made = HeldDisk(files or (disk,), target, "scsi", "ua-reberth-1-x", wwn(disk), serial(disk), 1)
    return replace(made, **more)  # type: ignore[arg-type] # strings only here


def seat(vm: VmId, *disks: HeldDisk, runs: bool = True, stamps: dict[Epoch, int] | None = None) -> Seat:
    side = Side(disks, 0, {NOW: 1} if stamps is None else stamps)
    return Seat(0, vm, f"name-{vm}", side if runs else None, side, None, Standing.RUNS if runs else Standing.OFF)


def look(*seats: Seat, astray: frozenset[DiskId] = frozenset({DISK})) -> Look:
    return Look(only(POOL), seats, astray=astray)


AWAY = device(DISK, "/else/moved.qcow2")


def test_a_moved_disk_is_uncertain_on_its_vm_and_the_others_are_not_harmed() -> None:
    for runs in (True, False):
        listed = listing(look(seat(ONE, AWAY, device(OTHER, target="sdc"), runs=runs), seat(TWO)))
        assert set(listed.attachments) == {
            Attachment(DISK, ONE, AttachmentState.UNCERTAIN, NOW),
            Attachment(OTHER, ONE, epoch=NOW),
        }
        assert (len(listed.unread), set(listed.odd), set(listed.seen)) == (0, {DISK}, {ONE, TWO})
        assert "name-one as /else/moved.qcow2" in listed.odd[DISK]
        assert f"`virsh blockcopy name-one sdb {DISK} " in listed.odd[DISK]
        assert ("start the VM" in listed.odd[DISK]) is not runs


def test_a_moved_disk_is_given_taken_and_enlarged_by_nobody_also_before_it_is_known_which_one_it_is() -> None:
    found = look(seat(ONE, AWAY), seat(TWO), astray=frozenset())
    for outcome in (
        to_attach(found, [DISK], TWO, NOW).known[DISK],
        to_attach(found, [DISK], ONE, NOW).known[DISK],
        to_detach(found, [DISK], ONE, NOW).known[DISK],
        to_resize(found, DISK),
    ):
        assert isinstance(outcome, Refused)
        assert "/else/moved.qcow2" in outcome.why
    assert to_detach(found, [DISK], TWO, NOW).known == {DISK: Done()}
    assert to_attach(found, [OTHER], TWO, NOW).todo == (OTHER,)


def test_one_that_is_moved_in_one_configuration_only_is_moved() -> None:
    """The other one names the file that is old."""
    there, away = Side((device(DISK),), 0, {NOW: 1}), Side((AWAY,), 0, {NOW: 1})
    for half in (
        Seat(0, ONE, "name-one", away, there),
        Seat(0, ONE, "name-one", there, away),
        Seat(0, ONE, "name-one", None, there, saved=away, standing=Standing.SAVED),
    ):
        assert attachments(look(half)) == [Attachment(DISK, ONE, AttachmentState.UNCERTAIN, NOW)]
        assert isinstance(to_detach(look(half), [DISK], ONE, NOW).known[DISK], Refused)


def test_a_disk_on_its_own_file_alone_or_under_snapshots_or_in_a_pool_of_no_settings_is_not_moved() -> None:
    elsewhere = DiskId("/other/reberth-c.qcow2")
    for each in (
        device(DISK),
        device(DISK, "/else/over.qcow2", DISK),
        device(elsewhere),
        HeldDisk(("/os",), "vda", ""),
    ):
        assert strays([seat(ONE, each)]) == ()


def test_what_a_disk_is_being_copied_to_is_not_where_its_data_is() -> None:
    """One that is on its way back is moved until it is there; one on its way elsewhere is not moved yet."""
    back = device(DISK, "/else/moved.qcow2", DISK, copied_to=DISK)
    assert attachments(look(seat(ONE, back))) == [Attachment(DISK, ONE, AttachmentState.UNCERTAIN, NOW)]
    away = device(DISK, DISK, "/else/moved.qcow2", copied_to="/else/moved.qcow2")
    assert attachments(look(seat(ONE, away))) == [Attachment(DISK, ONE, epoch=NOW)]
    refused = to_detach(look(seat(ONE, away)), [DISK], ONE, NOW).known[DISK]
    assert isinstance(refused, Refused)
    assert "is being copied to /else/moved.qcow2" in refused.why


def test_a_vm_cloned_from_one_of_ours_has_none_of_its_disks() -> None:
    clone = Seat(0, TWO, "clone", None, Side((AWAY,), 0, of_another=True), standing=Standing.OFF)
    assert attachments(look(seat(ONE, device(DISK)), clone)) == [Attachment(DISK, ONE, epoch=NOW)]
    own = replace(clone, kept=Side((AWAY,), 0, {NOW: 1}, of_another=True))
    assert Attachment(DISK, TWO, AttachmentState.UNCERTAIN, NOW) in attachments(look(own))


def test_it_is_known_by_either_mark_and_named_by_the_disks_there_are_or_by_its_file_s_name() -> None:
    for changed in (replace(AWAY, serial=None), replace(AWAY, wwn=None), replace(AWAY, wwn=f"0x{wwn(DISK).upper()}")):
        found = strays([seat(ONE, changed, runs=False)])
        assert moved(found, [OTHER, DISK]) == {DISK: found}
        assert set(named(found, [OTHER, DISK]).values()) == {DISK}
    found = strays([seat(ONE, device(DISK, "/fast/reberth-a.qcow2"))])
    assert DISK in guesses(found, Pools("reberth", (POOL, FAST)))


def test_the_way_back_of_an_image_of_ceph_s_names_no_path() -> None:
    image = DiskId("rbd:reberth/reberth-a.raw")
    there = Look(only(ceph_pool("reberth")), (seat(ONE, device(image, "/else/moved.raw")),), astray=frozenset({image}))
    odd = listing(there).odd[image]
    assert "`virsh blockcopy name-one sdb --xml FILE " in odd
    assert "docs/ceph.md" in odd


def test_a_vm_whose_moved_disk_nobody_can_name_is_unread() -> None:
    listed = listing(replace(look(seat(ONE, AWAY), seat(TWO), astray=frozenset()), unnamed={ONE: "it is unclear"}))
    assert (len(listed.attachments), list(listed.unread), set(listed.seen)) == (0, ["it is unclear"], {TWO})


def test_the_doctor_tells_of_it_at_its_own_vm() -> None:
    found = look(seat(ONE, AWAY), seat(TWO))
    assert any("/else/moved.qcow2" in each for each in concerns(found, ONE))
    assert not any("/else/moved.qcow2" in each for each in concerns(found, TWO))


XML = """<domain><metadata><a:stamp xmlns:a="https://reberth.invalid/libvirt/epoch/3" vm="one" unit="4"/></metadata>
<devices><disk type="file"><source file="/pool/reberth-a.qcow2"/><mirror type="file" job="{job}">
<source file="/else/moved.qcow2"/></mirror><target dev="sda" bus="scsi"/></disk></devices></domain>"""


def test_a_copy_and_the_stamp_of_another_vm_are_read_from_the_xml() -> None:
    copying = parse_side(XML.format(job="copy"), ONE, str)
    assert copying.disks[0].copied_to == "/else/moved.qcow2"
    assert (copying.stamps, copying.of_another) == ({Epoch(3): 4}, False)
    committing = parse_side(XML.format(job="active-commit"), TWO, str)
    assert committing.disks[0].copied_to == ""
    assert (committing.stamps, committing.of_another) == ({}, True)
