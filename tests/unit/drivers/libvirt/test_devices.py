"""What is written into a VM's XML."""

from __future__ import annotations

from controller.model import DiskId, Epoch, VmId
from drivers.libvirt.devices import Place, by_id, disk_xml, places, serial, wwn
from drivers.libvirt.inventory import HeldDisk, Seat, Side, parse_side
from drivers.libvirt.settings import Settings

DISK = DiskId("/pool/reberth-a&b.qcow2")
VM = VmId("11111111-0000-4000-8000-000000000000")
SETTINGS = Settings.parse({"uris": ["qemu:///system"]})
HELD = HeldDisk((DISK,), "sdb", "scsi", "ua-reberth-1-x", unit=1)


def test_a_disk_made_by_us_is_read_back_as_it_was_made() -> None:
    xml = disk_xml(DISK, DISK, Place(0, 7, "sdc"), "ua-reberth-1-x", SETTINGS)
    (found,) = parse_side(f"<domain><devices>{xml}</devices></domain>", VM, str).disks
    assert (found.files, found.target, found.alias, found.unit) == ((DISK,), "sdc", "ua-reberth-1-x", 7)
    assert 'discard="unmap"' in xml
    assert by_id(found) == (f"wwn-0x{wwn(DISK)}", f"scsi-3{wwn(DISK)}")


def test_a_wwn_is_sixteen_digits_and_belongs_to_one_file_in_one_pool() -> None:
    assert len(wwn(DISK)) == 16
    assert wwn(DISK) == wwn(DiskId(str(DISK)))
    assert len({wwn(DISK), wwn(DiskId("/other/reberth-a&b.qcow2")), wwn(DiskId("/pool/reberth-b.qcow2"))}) == 3
    assert len({serial(DISK), serial(DiskId("/other/reberth-a&b.qcow2"))}) == 2


def test_places_are_used_in_turn_and_never_twice() -> None:
    here = Seat(0, VM, "one", Side((HELD,), 0, {Epoch(1): 253, Epoch(2): 254}), Side((HELD,), 0))
    assert [(each.unit, each.target) for each in places(here, 3)] == [(2, "sda"), (3, "sdc"), (4, "sdd")]
