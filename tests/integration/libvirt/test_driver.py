"""The libvirt driver on real libvirt and QEMU: guards, refusals and losses beyond the conformance suite."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from controller.model import Attachment, DiskId, Epoch, Power, Spec, VolumeKey
from drivers.base import Done, DriverError, Refused
from drivers.libvirt.client import Host
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.faults import Fault
from tests.libvirtd.driver import new_disk, running, settings
from tests.libvirtd.site import Site

ONE, TWO, THREE = Epoch(1), Epoch(2), Epoch(3)


def holding(disk: DiskId) -> subprocess.Popen[bytes]:
    """A process that has the image open for writing."""
    holder = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(b"write 0 512\n")
    holder.stdin.flush()
    holder.stdout.readline()
    return holder


def image(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)


async def test_an_image_that_a_process_outside_of_libvirt_has_open_is_refused_for_a_moment_and_leaves_no_trace(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    holder = holding(disk)
    (refused,) = await ours.attach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert "another running VM has the disk open" in refused.why
    assert refused.retry_after == 1.0
    assert list((await ours.list_attachments()).attachments) == []
    holder.communicate(b"quit\n")
    assert await ours.attach([disk], vm, ONE) == [Done()]


async def test_a_vm_on_another_host_cannot_get_an_attached_disk(site: Site, ours: LibvirtDriver) -> None:
    disk, first, second = await new_disk(ours), running(site.hosts[0]), running(site.hosts[1])
    assert await ours.attach([disk], first, ONE) == [Done()]
    (refused,) = await ours.attach([disk], second, ONE)
    assert isinstance(refused, Refused)
    assert site.hosts[0].domain(first).name() in refused.why


async def test_a_disk_that_a_vm_which_is_off_has_in_its_configuration_is_attached_to_it(
    site: Site, ours: LibvirtDriver
) -> None:
    """It would open it when it is switched on."""
    disk, vm = await new_disk(ours), running(site.hosts[1])
    await ours.attach([disk], vm, ONE)
    site.hosts[1].stop(vm)
    assert [(each.disk, each.vm) for each in (await ours.list_attachments()).attachments] == [(disk, vm)]


async def test_a_late_stamp_of_a_replaced_controller_does_not_undo_the_newer_one(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    stale = Host(0, settings(site))
    before = stale.seat(vm)
    await ours.attach([disk], vm, THREE)
    stale.stamp(before, ONE, 7)
    assert list((await ours.list_attachments()).attachments) == [Attachment(disk, vm, epoch=THREE)]
    assert isinstance((await ours.detach([disk], vm, TWO))[0], Refused)
    stale.close()


async def test_a_late_detach_does_not_hit_the_attachment_made_after_it_was_decided(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    await ours.attach([disk], vm, ONE)
    stale = Host(0, settings(site))
    seen = stale.seat(vm)
    assert seen.live is not None
    assert seen.kept is not None
    await ours.detach([disk], vm, TWO)
    await ours.attach([disk], vm, TWO)
    with pytest.raises(Fault):
        stale.detach(seen, seen.live.disks[0], seen.kept.disks[0])
    assert list((await ours.list_attachments()).attachments) == [Attachment(disk, vm, epoch=TWO)]
    stale.close()


async def test_a_freed_place_is_not_used_at_once(site: Site, ours: LibvirtDriver) -> None:
    """A guest may still have the dead device of the disk that was there."""
    disk, vm = await new_disk(ours), running(site.hosts[0])
    looking = Host(0, settings(site))
    used = []
    for _ in range(3):
        await ours.attach([disk], vm, ONE)
        seat = looking.seat(vm)
        assert seat.live is not None
        used.append(seat.live.disks[0].unit)
        await ours.detach([disk], vm, ONE)
    assert len(set(used)) == 3
    looking.close()


async def test_a_vm_without_a_virtio_scsi_controller_is_refused_with_the_cure(site: Site, ours: LibvirtDriver) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0], controller="")
    (refused,) = await ours.attach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert "<controller type='scsi' model='virtio-scsi'/>" in (refused.cure or "")


async def test_a_file_that_somebody_put_there_is_not_overwritten(site: Site, ours: LibvirtDriver) -> None:
    disk = await new_disk(ours)
    assert await ours.delete(disk) == Done()
    (site.pool / Path(disk).name).write_bytes(b"precious")
    assert isinstance(await ours.create(VolumeKey("data"), Spec(2**20)), Refused)
    assert (site.pool / Path(disk).name).read_bytes() == b"precious"


async def test_raw_disks_are_files_of_exactly_the_size_asked_for(site: Site) -> None:
    ours = LibvirtDriver(settings(site, format="raw"))
    disk, vm = await new_disk(ours), running(site.hosts[0])
    assert (site.pool / Path(disk).name).stat().st_size == 2**20
    assert await ours.attach([disk], vm, ONE) == [Done()]
    assert await ours.detach([disk], vm, ONE) == [Done()]
    await ours.close()


async def test_disks_that_are_not_ours_are_not_listed_and_not_touched(site: Site, ours: LibvirtDriver) -> None:
    vm = running(site.hosts[0])
    foreign = site.pool / "root.qcow2"
    image(foreign)
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{foreign}'/><target dev='sdb' bus='scsi'/></disk>"
    site.hosts[0].domain(vm).attachDeviceFlags(xml, 3)
    assert list((await ours.list_attachments()).attachments) == []
    assert isinstance((await ours.detach([DiskId(str(foreign))], vm, ONE))[0], Refused)
    assert isinstance(await ours.delete(DiskId(str(foreign))), Refused)
    assert "root.qcow2" in site.hosts[0].domain(vm).XMLDesc(0)


@pytest.mark.parametrize("by_volume", [False, True], ids=["by file", "by volume"])
async def test_a_disk_that_was_attached_by_hand_is_listed_and_detached(
    site: Site, ours: LibvirtDriver, by_volume: bool
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    name = Path(disk).name
    source = f"pool='reberth' volume='{name}'" if by_volume else f"file='{disk}'"
    kind = "volume" if by_volume else "file"
    xml = f"<disk type='{kind}'><driver type='qcow2'/><source {source}/><target dev='sdc' bus='scsi'/></disk>"
    site.hosts[0].domain(vm).attachDeviceFlags(xml, 3)
    assert [(each.disk, each.vm) for each in (await ours.list_attachments()).attachments] == [(disk, vm)]
    with pytest.raises(DriverError, match="by hand"):
        await ours.device(disk, vm)
    assert await ours.detach([disk], vm, ONE) == [Done()]
    assert list((await ours.list_attachments()).attachments) == []


async def test_a_disk_under_a_snapshot_is_refused_because_its_newest_data_is_elsewhere(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    await ours.attach([disk], vm, ONE)
    (target,) = [each.target for each in Host(0, settings(site)).seat(vm).holds((await ours._look()).pools)[disk]][:1]
    over = site.pool / "over.qcow2"
    snapshot = (
        f"<domainsnapshot><disks><disk name='{target}' snapshot='external'><source file='{over}'/></disk></disks>"
        "</domainsnapshot>"
    )
    site.hosts[0].domain(vm).snapshotCreateXML(snapshot, 16 | 4)  # disk only, no metadata
    assert [(each.disk, each.vm) for each in (await ours.list_attachments()).attachments] == [(disk, vm)]
    (refused,) = await ours.detach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert "snapshot" in refused.why


async def test_a_vm_that_the_settings_do_not_name_gets_no_disk_and_is_not_switched_off(
    site: Site, ours: LibvirtDriver
) -> None:
    """Also not for a node that says it is that VM. A disk of ours that is on it can be taken from there."""
    disk, stray = await new_disk(ours), await new_disk(ours, "stray")
    named, strange = running(site.hosts[0]), running(site.hosts[1])
    assert await ours.attach([stray], strange, ONE) == [Done()]
    bound = LibvirtDriver(settings(site, vms=(site.hosts[0].domain(named).name(),)))
    (refused,) = await bound.attach([disk], strange, ONE)
    assert isinstance(refused, Refused)
    assert site.hosts[1].domain(strange).name() in refused.why
    assert isinstance(await bound.power_off(strange), Refused)
    assert await ours.power([strange]) == {strange: Power.ON}
    assert "none of those in `vms`" in (await bound.concerns({named: "one", strange: "two"}))[strange][0]
    assert await bound.detach([stray], strange, ONE) == [Done()]
    assert await bound.attach([disk], named, ONE) == [Done()]
    assert await bound.power_off(named) is Power.OFF
    await bound.close()
