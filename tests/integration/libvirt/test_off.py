"""Off is off, on real libvirt and QEMU: VMs that do not run, and whose memory is not gone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.model import Attachment, DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, Refused
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.settings import Settings
from tests.libvirtd.hypervisor import Hypervisor, until
from tests.libvirtd.site import Site

ONE, TWO = Epoch(1), Epoch(2)


@pytest.fixture
def host(site: Site) -> Hypervisor:
    return site.hosts[0]


@pytest.fixture
async def ours(site: Site) -> AsyncIterator[LibvirtDriver]:
    made = LibvirtDriver(Settings.parse(site.settings(look_timeout=20.0)))
    yield made
    await made.close()


@pytest.fixture
async def vm(host: Hypervisor) -> VmId:
    made = host.define()
    host.start(made)
    return made


@pytest.fixture
async def disk(ours: LibvirtDriver, vm: VmId) -> DiskId:
    """Attached to the VM."""
    created = await ours.create(VolumeKey("data"), Spec(2**20))
    assert isinstance(created, Created), created
    assert await ours.attach([created.disk], vm, ONE) == [Done()]
    return created.disk


async def refusal(ours: LibvirtDriver, disk: DiskId, vm: VmId) -> str:
    """A detach is refused, and the disk stays listed on the VM."""
    (outcome,) = await ours.detach([disk], vm, TWO)
    assert isinstance(outcome, Refused)
    assert [(each.disk, each.vm) for each in (await ours.list_attachments()).attachments] == [(disk, vm)]
    return outcome.why


def restart(host: Hypervisor) -> None:
    host.stop_daemon()
    host.start_daemon()


async def test_a_managed_save_stays_on_over_restarts_of_libvirtd_and_is_fenced_by_throwing_its_memory_away(
    site: Site, host: Hypervisor, ours: LibvirtDriver, vm: VmId, disk: DiskId
) -> None:
    """What libvirt-guests does at a host's shutdown. A restarted libvirtd forgets the reason, not the image."""
    host.domain(vm).managedSave(0)
    assert await ours.power([vm]) == {vm: Power.ON}
    restart(host)
    assert await ours.power([vm]) == {vm: Power.ON}
    assert "virsh managedsave-remove" in await refusal(ours, disk, vm)
    assert await ours.power_off(vm) is Power.OFF
    assert host.domain(vm).hasManagedSaveImage(0) == 0
    other = site.hosts[1].define()
    site.hosts[1].start(other)
    assert await ours.detach([disk], vm, TWO) == [Done()]
    assert await ours.attach([disk], other, TWO) == [Done()]
    host.start(vm)
    assert (await ours.list_attachments()).attachments == (Attachment(disk, other, epoch=TWO),)


async def test_a_saved_vm_has_its_disk_although_somebody_took_it_out_of_its_configuration(
    host: Hypervisor, ours: LibvirtDriver, vm: VmId, disk: DiskId
) -> None:
    """The image of its memory has a configuration of its own: that one counts when it is resumed."""
    host.domain(vm).managedSave(0)
    kept = host.domain(vm).XMLDesc(2)
    host.connection.defineXML(kept[: kept.index("<disk ")] + kept[kept.index("</disk>") + len("</disk>") :])
    assert disk not in host.domain(vm).XMLDesc(2)
    await refusal(ours, disk, vm)
    host.start(vm)
    assert disk in host.domain(vm).XMLDesc(0)


async def test_a_vm_saved_to_a_file_stays_on_until_somebody_resumes_it_or_starts_it_without_the_file(
    site: Site, host: Hypervisor, ours: LibvirtDriver, vm: VmId, disk: DiskId
) -> None:
    """The fence cannot remove a file that libvirt does not know, and says so by what it reads back."""
    file = site.folder / "saved"
    host.domain(vm).save(str(file))
    assert await ours.power([vm]) == {vm: Power.ON}
    assert "virsh restore FILE" in await refusal(ours, disk, vm)
    assert await ours.power_off(vm) is Power.ON
    host.connection.restore(str(file))
    assert await ours.power([vm]) == {vm: Power.ON}
    assert await ours.power_off(vm) is Power.OFF
    assert await ours.detach([disk], vm, TWO) == [Done()]


async def test_a_vm_of_which_libvirtd_does_not_know_any_more_how_it_ended_is_not_off(
    site: Site, host: Hypervisor, ours: LibvirtDriver, vm: VmId, disk: DiskId
) -> None:
    """A restarted libvirtd calls a VM that was saved to a file and one that was destroyed the same."""
    host.domain(vm).save(str(site.folder / "saved"))
    restart(host)
    assert await ours.power([vm]) == {vm: Power.UNKNOWN}
    assert await ours.power_off(vm) is Power.UNKNOWN
    host.start(vm)
    assert await ours.power_off(vm) is Power.OFF


async def test_a_paused_vm_is_on_and_can_be_fenced(host: Hypervisor, ours: LibvirtDriver, vm: VmId) -> None:
    host.domain(vm).suspend()
    assert await ours.power([vm]) == {vm: Power.ON}
    assert await ours.power_off(vm) is Power.OFF


async def test_a_vm_whose_process_died_while_libvirtd_was_away_is_off(
    host: Hypervisor, ours: LibvirtDriver, vm: VmId
) -> None:
    pid = host.qemu_pid(vm)
    host.stop_daemon()
    os.kill(pid, signal.SIGKILL)
    host.start_daemon()
    await asyncio.to_thread(until, lambda: not host.domain(vm).isActive(), "libvirtd sees that it died")
    assert await ours.power([vm]) == {vm: Power.OFF}


async def test_a_saved_vm_is_a_concern_with_the_cure(host: Hypervisor, ours: LibvirtDriver, vm: VmId) -> None:
    assert await ours.concerns({vm: "node"}) == {}
    host.domain(vm).managedSave(0)
    (sentence,) = (await ours.concerns({vm: "node"}))[vm]
    assert "virsh managedsave-remove" in sentence


async def test_a_saved_state_that_cannot_be_thrown_away_leaves_the_vm_on(
    site: Site, host: Hypervisor, ours: LibvirtDriver, vm: VmId, disk: DiskId
) -> None:
    """Without its disk's file it cannot even be started halted."""
    host.domain(vm).managedSave(0)
    host.connection.storagePoolLookupByName("reberth").storageVolLookupByName(Path(disk).name).delete(0)
    assert await ours.power_off(vm) is not Power.OFF
