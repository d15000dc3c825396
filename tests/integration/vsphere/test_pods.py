"""Datastore clusters: which member a disk is made on, and what becomes of disks when members come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.model import AttachmentState, DiskId, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, Refused
from drivers.vsphere.creation.making import DATASTORE
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE, SIZE, TWO, held
from tests.conformance.vsphere_rig import VsphereFaultsRig
from tests.vcsim.server import Spec as SimulatorSpec

POD, LITTLE, MUCH, ALONE = "POD", "LocalDS_0", "LocalDS_1", "LocalDS_2"
DATA = VolumeKey("data")
GIB = 2**30


@pytest.fixture
async def rig() -> AsyncIterator[VsphereFaultsRig]:
    async with VsphereFaultsRig(SimulatorSpec(faults=True, datastores=3), datastore=POD, datastores=[ALONE]) as made:
        made.admin.make_pod(POD)
        for name, free in ((LITTLE, 20 * GIB), (MUCH, 50 * GIB)):
            await made.fault("pod", name=POD, datastore=name)
            await made.fault("store", name=name, free=str(free))
        yield made


async def made(rig: VsphereFaultsRig, key: VolumeKey = DATA, *said: tuple[str, str]) -> DiskId:
    found = await rig.driver.create(key, Spec(SIZE, for_driver=said))
    assert isinstance(found, Created), found
    return found.disk


async def test_a_disk_is_made_on_the_member_with_the_most_room(rig: VsphereFaultsRig) -> None:
    assert await made(rig) == f"[{MUCH}] reberth/data.vmdk"
    await rig.fault("store", name=LITTLE, free=str(90 * GIB))
    assert await made(rig, VolumeKey("next")) == f"[{LITTLE}] reberth/next.vmdk"
    assert await made(rig, VolumeKey("said"), (DATASTORE, POD)) == f"[{LITTLE}] reberth/said.vmdk"
    assert await made(rig, VolumeKey("alone"), (DATASTORE, ALONE)) == f"[{ALONE}] reberth/alone.vmdk"
    assert await rig.driver.keys("") == ["alone", "data", "next", "said"]


async def test_a_disk_that_was_made_before_is_found_whichever_member_has_the_most_room_now(
    rig: VsphereFaultsRig,
) -> None:
    disk = await made(rig)
    await rig.fault("store", name=LITTLE, free=str(90 * GIB))
    assert await made(rig) == disk
    assert await made(rig, DATA, (DATASTORE, POD)) == disk


async def test_a_member_that_the_host_of_a_swarms_vm_has_not_mounted_is_not_chosen(rig: VsphereFaultsRig) -> None:
    assert isinstance(rig.driver, VsphereDriver)
    vm = await rig.add_vm()
    await rig.driver.concerns({vm: rig.admin.name(vm)})
    await rig.fault("store", name=MUCH, unmounted=rig.admin.host(vm))
    assert await made(rig) == f"[{LITTLE}] reberth/data.vmdk"
    await rig.fault("store", name=LITTLE, unmounted=rig.admin.host(vm))
    refused = await rig.driver.create(VolumeKey("next"), Spec(SIZE))
    assert isinstance(refused, Refused)
    assert f"{MUCH} will not do: the host of {rig.admin.name(vm)} has not mounted it" in refused.why
    assert refused.cure is not None


async def test_a_host_without_a_vm_of_the_swarm_keeps_no_member_from_being_chosen(rig: VsphereFaultsRig) -> None:
    vm, other = await rig.add_vm(), await rig.add_vm()
    await rig.move_apart(vm, other)
    stamped = await made(rig, VolumeKey("stamp"))
    assert await rig.driver.attach([stamped], vm, ONE) == [Done()]
    await rig.fault("store", name=MUCH, unmounted=rig.admin.host(other))
    assert await made(rig) == f"[{MUCH}] reberth/data.vmdk"


async def test_a_thick_disk_for_which_no_member_has_room_is_refused_with_what_each_has(rig: VsphereFaultsRig) -> None:
    thick = Spec(60 * GIB, for_driver=(("diskformat", "zeroedthick"),))
    refused = await rig.driver.create(DATA, thick)
    assert isinstance(refused, Refused)
    assert f"{LITTLE} has {20 * 2**20} KiB left" in refused.why
    assert f"{MUCH} has {50 * 2**20} KiB left" in refused.why


async def test_a_disk_goes_from_vm_to_vm_on_whatever_member_it_is(rig: VsphereFaultsRig) -> None:
    one, vm, other = await made(rig), await rig.add_vm(), await rig.add_vm()
    assert await rig.driver.attach([one], vm, ONE) == [Done()]
    assert isinstance(await rig.driver.delete(one), Refused)
    assert await rig.driver.detach([one], vm, TWO) == [Done()]
    assert await rig.driver.attach([one], other, TWO) == [Done()]
    assert await held(rig) == {(one, other)}


async def test_a_member_that_came_after_the_login_is_used(rig: VsphereFaultsRig) -> None:
    assert await made(rig) == f"[{MUCH}] reberth/data.vmdk"
    await rig.fault("pod", name=POD, datastore=ALONE)
    await rig.fault("store", name=ALONE, free=str(900 * GIB))
    disk = await made(rig, VolumeKey("next"))
    assert disk == f"[{ALONE}] reberth/next.vmdk"
    vm = await rig.add_vm()
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]
    assert await held(rig) == {(disk, vm)}


async def test_the_disk_on_a_member_that_left_stays_its_vms_and_goes_nowhere(rig: VsphereFaultsRig) -> None:
    disk, vm, other = await made(rig), await rig.add_vm(), await rig.add_vm()
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]
    await rig.fault("pod", name=POD, datastore=MUCH, off="1")
    listed = await rig.driver.list_attachments()
    assert [(each.disk, VmId(each.vm), each.state) for each in listed.attachments] == [
        (disk, vm, AttachmentState.UNCERTAIN)
    ]
    assert "left its datastore cluster" in listed.odd[disk]
    for outcome in (*await rig.driver.attach([disk], other, TWO), *await rig.driver.detach([disk], vm, TWO)):
        assert isinstance(outcome, Refused)
    await rig.fault("pod", name=POD, datastore=MUCH)
    assert await rig.driver.detach([disk], vm, TWO) == [Done()]


async def test_a_disk_that_storage_drs_moved_to_another_member_is_held_and_both_names_are_told(
    rig: VsphereFaultsRig,
) -> None:
    disk, vm, other = await made(rig), await rig.add_vm(), await rig.add_vm()
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]
    for to in (f"[{LITTLE}] node/node_1.vmdk", f"[{LITTLE}] reberth/data.vmdk"):
        await rig.fault("move", vm=rig.admin.name(vm), file=disk, to=to)
        listed = await rig.driver.list_attachments()
        assert (disk, vm, AttachmentState.UNCERTAIN) in [
            (each.disk, each.vm, each.state) for each in listed.attachments
        ]
        assert to in listed.odd[disk]
        for outcome in (*await rig.driver.attach([disk], other, TWO), *await rig.driver.detach([disk], vm, TWO)):
            assert isinstance(outcome, Refused)
        await rig.fault("move", vm=rig.admin.name(vm), file=to, to=disk)
    assert await rig.driver.detach([disk], vm, TWO) == [Done()]


async def test_a_cluster_that_shows_no_member_is_no_empty_one(rig: VsphereFaultsRig) -> None:
    disk, vm = await made(rig), await rig.add_vm()
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]
    for name in (LITTLE, MUCH):
        await rig.fault("pod", name=POD, datastore=name, off="1")
    with pytest.raises(DriverError, match="has no datastore"):
        await rig.driver.list_attachments()


async def test_a_copy_for_a_cluster_goes_where_there_is_room_and_is_found_again(rig: VsphereFaultsRig) -> None:
    source = await made(rig, VolumeKey("source"), (DATASTORE, ALONE))
    await rig.put(source, b"text".ljust(512, b"."))
    into = Spec(SIZE, for_driver=((DATASTORE, POD),))
    assert await rig.driver.clone(DATA, into, source) == Created(DiskId(f"[{MUCH}] reberth/data.vmdk"))
    await rig.fault("store", name=LITTLE, free=str(90 * GIB))
    assert await rig.driver.clone(DATA, into, source) == Created(DiskId(f"[{MUCH}] reberth/data.vmdk"))
