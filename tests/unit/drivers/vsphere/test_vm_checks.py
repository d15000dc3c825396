"""What an administrator is told about a VM before it hurts: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from controller.model import VmId
from drivers.vsphere.inventory import ENABLE_UUID_KEY, Disk, File, Place, Vm
from drivers.vsphere.obstacles import Obstacles
from drivers.vsphere.vm_checks import concerns

UUID = VmId("4207072c-edd8-4bd5-afb9-b79fdcb5e2b5")
GOOD = Vm("vm-1", "swarm01", UUID, extra={ENABLE_UUID_KEY.lower(): "TRUE"})


PLACE = Place("datastore-1", "DS", "reberth")


def about(vms: Sequence[Vm], vm: VmId, hostname: str, **obstacles: Obstacles) -> tuple[str, ...]:
    return concerns(vms, PLACE, vm, hostname, {name.replace("_", "-"): each for name, each in obstacles.items()})


@pytest.mark.parametrize(
    ("name", "hostname"),
    [("swarm01", "swarm01"), ("SWARM01", "swarm01"), ("swarm01.example.com", "swarm01"), ("swarm01", "swarm01.local")],
)
def test_a_vm_that_is_as_it_should_be_gives_no_concern(name: str, hostname: str) -> None:
    assert about([replace(GOOD, name=name)], UUID, hostname) == ()


@pytest.mark.parametrize("name", ["swarm02", "swarm01.a.example", ""])
def test_a_vm_with_another_name_than_its_node_is_told_with_both(name: str) -> None:
    (told,) = about([replace(GOOD, name=name)], UUID, "swarm01.b.example")

    assert f"of node swarm01.b.example is called {name} in vCenter" in told
    assert "uuid.bios" in told


def test_a_vm_that_hides_its_disks_uuids_is_told_before_the_first_attach() -> None:
    (told,) = about([replace(GOOD, extra={})], UUID, "swarm01")

    assert "disk.EnableUUID = TRUE" in told


def test_a_vm_that_is_not_seen_or_not_unique_is_told() -> None:
    assert "is visible in the inventory" in about([], UUID, "swarm01")[0]
    assert "fits more than one VM" in about([GOOD, replace(GOOD, ref="vm-2")], UUID, "swarm01")[0]


def test_what_would_be_in_the_way_of_a_failover_is_told_before_it() -> None:
    (told,) = about([GOOD], UUID, "swarm01", vm_1=Obstacles(snapshot=True))

    assert "swarm01 has a snapshot" in told


def test_a_vm_that_vcenter_does_not_tell_about_is_told() -> None:
    assert "an empty device list" in about([replace(GOOD, unread="an empty device list")], UUID, "swarm01")[0]


def test_a_disk_of_ours_that_somebody_put_on_another_controller_than_scsi_is_told() -> None:
    disk = Disk(16000, 15000, 0, (File("datastore-1", "reberth/data.vmdk"),), scsi=False)

    (told,) = about([replace(GOOD, disks=(disk, replace(disk, files=(), scsi=False)))], UUID, "swarm01")

    assert told.startswith("[DS] reberth/data.vmdk is on a controller of swarm01 that is not SCSI")
