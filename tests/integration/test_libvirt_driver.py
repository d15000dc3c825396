"""The libvirt driver on real libvirt and QEMU: guards, refusals and losses beyond the conformance suite."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.model import Attachment, DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, Refused, Unreachable
from drivers.libvirt.client import Host
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.settings import Settings
from tests.libvirtd.hypervisor import Hypervisor
from tests.libvirtd.site import Site, shared_site

ONE, TWO, THREE = Epoch(1), Epoch(2), Epoch(3)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = await asyncio.to_thread(shared_site)
    await asyncio.to_thread(made.reset)
    yield made
    await asyncio.to_thread(made.reset)


@pytest.fixture
async def ours(site: Site) -> AsyncIterator[LibvirtDriver]:
    made = LibvirtDriver(settings(site))
    yield made
    await made.close()


def settings(site: Site, **more: object) -> Settings:
    return Settings.parse(site.settings(**{"look_timeout": 20.0, **more}))


def running(host: Hypervisor, **more: str) -> VmId:
    vm = host.define(**more)  # type: ignore[arg-type] # strings only here
    host.start(vm)
    return vm


async def new_disk(ours: LibvirtDriver, name: str = "data") -> DiskId:
    created = await ours.create(VolumeKey(name), Spec(2**20))
    assert isinstance(created, Created), created
    return created.disk


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
    assert await ours.list_attachments() == []
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
    assert [(each.disk, each.vm) for each in await ours.list_attachments()] == [(disk, vm)]


async def test_a_late_stamp_of_a_replaced_controller_does_not_undo_the_newer_one(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    stale = Host(0, settings(site))
    before = stale.seat(vm)
    await ours.attach([disk], vm, THREE)
    stale.stamp(before, ONE, 7)
    assert await ours.list_attachments() == [Attachment(disk, vm, epoch=THREE)]
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
    assert await ours.list_attachments() == [Attachment(disk, vm, epoch=TWO)]
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
    assert "<controller type='scsi' model='virtio-scsi'/>" in refused.why


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
    assert await ours.list_attachments() == []
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
    assert [(each.disk, each.vm) for each in await ours.list_attachments()] == [(disk, vm)]
    with pytest.raises(DriverError, match="by hand"):
        await ours.device(disk, vm)
    assert await ours.detach([disk], vm, ONE) == [Done()]
    assert await ours.list_attachments() == []


async def test_a_disk_under_a_snapshot_is_refused_because_its_newest_data_is_elsewhere(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    await ours.attach([disk], vm, ONE)
    (target,) = [each.target for each in Host(0, settings(site)).seat(vm).holds((await ours._look()).pool)[disk]][:1]
    over = site.pool / "over.qcow2"
    snapshot = (
        f"<domainsnapshot><disks><disk name='{target}' snapshot='external'><source file='{over}'/></disk></disks>"
        "</domainsnapshot>"
    )
    site.hosts[0].domain(vm).snapshotCreateXML(snapshot, 16 | 4)  # disk only, no metadata
    assert [(each.disk, each.vm) for each in await ours.list_attachments()] == [(disk, vm)]
    (refused,) = await ours.detach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert "snapshot" in refused.why


async def test_a_hypervisor_that_hangs_is_unread_within_the_time_given_and_readable_again_after_it(site: Site) -> None:
    ours = LibvirtDriver(settings(site, look_timeout=1.0))
    vm = running(site.hosts[0])
    assert (await ours.power([vm]))[vm] is Power.ON
    pids = site.hosts[0].daemon_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await ours.power([vm]) == {vm: Power.UNKNOWN}
        with pytest.raises(DriverError, match="did not answer within 1 s"):
            await ours.list_attachments()
        assert isinstance((await ours.attach([DiskId("any")], vm, ONE))[0], Unreachable)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        while (await ours.power([vm]))[vm] is not Power.ON:  # noqa: ASYNC110 - libvirtd tells nobody that it is back
            await asyncio.sleep(0.1)
    await ours.close()


async def test_one_lost_host_makes_the_whole_look_unread_because_it_may_have_the_disk(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    site.hosts[1].stop_daemon()
    with pytest.raises(DriverError, match="no connection"):
        await ours.list_attachments()
    (outcome,) = await ours.attach([disk], vm, ONE)
    assert isinstance(outcome, Unreachable)
    assert (await ours.power([vm]))[vm] is Power.ON


async def test_vms_survive_the_restart_of_libvirtd_and_the_driver_connects_again(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm = await new_disk(ours), running(site.hosts[0])
    await ours.attach([disk], vm, ONE)
    site.hosts[0].stop_daemon()
    with pytest.raises(DriverError):
        await ours.list_attachments()
    site.hosts[0].start_daemon()
    assert await ours.list_attachments() == [Attachment(disk, vm, epoch=ONE)]
    assert await ours.detach([disk], vm, ONE) == [Done()]


async def test_the_watch_says_after_a_restart_of_libvirtd_that_something_may_have_been_missed(
    site: Site, ours: LibvirtDriver
) -> None:
    events = ours.watch_power()
    async with asyncio.timeout(60):
        assert [(await anext(events)).vm for _ in site.hosts] == [None, None]
        site.hosts[0].stop_daemon()
        site.hosts[0].start_daemon()
        assert (await anext(events)).vm is None
        vm = running(site.hosts[0])
        assert (await anext(events)).vm == vm


async def test_a_host_without_the_pool_is_unread_with_the_cure(site: Site) -> None:
    ours = LibvirtDriver(settings(site, pool="other"))
    with pytest.raises(DriverError, match="virsh pool-define-as other"):
        await ours.list_attachments()
    await ours.close()


async def test_errors_of_libvirt_have_the_kinds_that_were_measured(site: Site, ours: LibvirtDriver) -> None:
    host, vm = Host(0, settings(site)), running(site.hosts[0])
    with pytest.raises(Fault) as no_domain:
        host.seat(VmId("ffffffff-0000-4000-8000-000000000000"))
    with pytest.raises(Fault) as no_volume:
        host.delete(DiskId("/nowhere/reberth-none.qcow2"))
    seat = host.seat(vm)
    site.hosts[0].stop(vm)
    with pytest.raises(Fault) as off:
        host.stamp(seat, ONE, 1)
    kinds = [each.value.kind for each in (no_domain, no_volume, off)]
    assert kinds == [Kind.NO_DOMAIN, Kind.NO_VOLUME, Kind.STATE]
    host.close()
