"""What VMs of several versions show, as public recordings have them: `tests/fixtures/vcenter/`, made anew by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import AttachmentState, Power, VmId
from drivers.base import Listing
from drivers.vsphere.client.reading import look
from drivers.vsphere.inventory import Disk, File, Inventory, Place, Vm, listing, shows_uuids
from tests.support.replay import PLACE, SHAPES, Replay

DATA = "[Tier 1] reberth/data-0123.vmdk"
NODE = VmId("420fd00b-1122-3344-5566-778899aabbcc")
INDEPENDENT = "independent_persistent"


def seen(shape: str) -> Inventory:
    return look(Replay(RetrievePropertiesEx=shape, ContinueRetrievePropertiesEx="look-5.5-next").opened())


def told(shape: str, place: Place = PLACE) -> Listing:
    return listing(seen(shape), place)


def node(shape: str) -> Vm:
    return seen(shape).vms[0]


def held(found: Listing) -> dict[str, tuple[VmId, AttachmentState]]:
    return {str(each.disk): (each.vm, each.state) for each in found.attachments}


def test_every_shape_says_after_which_version_it_is_made_and_where_the_fact_is_from() -> None:
    firsts = {path.name: path.read_text().splitlines()[0] for path in SHAPES.iterdir()}
    assert len(firsts) > 30
    assert {
        name for name, line in firsts.items() if not (line.startswith("<!-- shaped after ") and "; the fact: " in line)
    } == set()


def test_vms_of_a_vcenter_5_5_in_two_pages_are_read_with_powers_disks_and_epoch() -> None:
    found = told("look-5.5")
    assert held(found) == {DATA: (NODE, AttachmentState.ATTACHED)}
    assert [each.epoch for each in found.attachments] == [7]
    powers = found.power or {}
    assert powers[NODE] is Power.ON
    assert powers[VmId("420fd00b-1122-3344-5566-778899aabbdd")] is Power.OFF
    assert found.unread == ()


def test_a_disk_on_lsi_logic_sas_with_a_uuid_in_lower_case_and_no_size_in_bytes_is_read_whole() -> None:
    vm = node("look-5.5")
    file = (File("datastore-15", "reberth/data-0123.vmdk"),)
    assert vm.disks[1] == Disk(2001, 1000, 1, file, "52c2d3e4-f5a6-b7c8-d9e0-1b2c3d4e5f60", DATA, 1048576, INDEPENDENT)
    assert [(each.bus, each.paravirtual, each.taken) for each in vm.controllers] == [(0, False, frozenset({0, 1}))]
    assert not shows_uuids(vm)


def test_a_disk_on_vsan_with_all_that_version_8_tells_is_known_by_the_folders_id() -> None:
    vsan = Place("datastore-17", "vsan A", "reberth", aliases=("9f0e1d2c-3b4a-5968-7786-95a4b3c2d1e0",))
    found = told("look-8.0-vsan", vsan)
    vm = VmId("42101a2b-3c4d-5e6f-7081-92a3b4c5d6e7")
    assert held(found) == {"[vsan A] reberth/data-0123.vmdk": (vm, AttachmentState.ATTACHED)}
    assert shows_uuids(node("look-8.0-vsan"))
    assert node("look-8.0-vsan").disks[0].uuid == "6000C291-a2b3-c4d5-e6f7-08192a3b4c5d"


def test_disks_under_snapshots_of_both_kinds_are_the_disks_at_the_bottom_and_raw_mappings_are_none_of_ours() -> None:
    found = held(told("look-6.5-chain"))
    assert {DATA, "[Tier 1] reberth/other-4567.vmdk"} < found.keys()
    assert not any("lun" in each for each in found)
    assert [len(each.files) for each in node("look-6.5-chain").disks] == [3, 2, 1, 0]


@pytest.mark.parametrize("shape", ["lost-empty-name", "lost-url", "lost-mount"])
def test_a_disk_whose_datastore_is_lost_is_still_its_vms_however_its_file_is_written(shape: str) -> None:
    assert held(told(shape)) == {DATA: (NODE, AttachmentState.ATTACHED)}


def test_of_a_file_by_its_mount_the_datastore_beside_it_counts_where_the_url_is_of_another_form() -> None:
    old = replace(PLACE, url="netfs://nas.example/export/")
    assert held(told("lost-empty-name", old)) == {DATA: (NODE, AttachmentState.ATTACHED)}
    assert held(told("lost-mount", old)) == {}


def test_a_vm_with_a_file_of_a_form_that_nobody_knows_was_not_read() -> None:
    """It may be one of ours: also where it is below a snapshot."""
    found = told("look-strange")
    assert "a disk whose file is called nas.example:/export/reberth/data-0123.vmdk" in found.unread[0]
    assert held(found) == {}


def test_a_disk_of_which_neither_datastore_nor_path_is_told_is_known_by_its_pin() -> None:
    found = told("lost-no-path")
    assert (held(found), found.unread) == ({DATA: (NODE, AttachmentState.UNCERTAIN)}, ())


def test_a_vm_without_a_configuration_was_not_read_and_its_last_power_is_not_known() -> None:
    found = told("look-inaccessible")
    assert "inaccessible: no configuration" in found.unread[0]
    assert (held(found), found.power) == ({}, {})


def test_booleans_as_digits_and_urls_of_old_are_read() -> None:
    found = {each.name: (each.accessible, each.url) for each in seen("look-4.1-booleans").datastores}
    assert found == {"Tier 1": (True, PLACE.url), "NFS": (False, "netfs://nas.example/export/")}


def test_values_that_are_no_strings_are_read_and_a_setting_that_is_set_to_nothing_is_not_set() -> None:
    """Else the VM would count as a clone of one without a name, and what is noted on it would not."""
    vm, found = node("look-settings"), told("look-settings")
    assert dict(vm.extra) == {"reberth.epoch": "7", "disk.enableuuid": "True", "reberth.disks.0": "1:data-0123"}
    assert shows_uuids(vm)
    assert held(found)[DATA] == (NODE, AttachmentState.UNCERTAIN)
    assert {each.epoch for each in found.attachments} == {7}
