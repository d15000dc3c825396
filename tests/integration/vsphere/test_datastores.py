"""Several datastores: where a disk is made, and that it is found there, and only there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.model import DiskId, DriverOption, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, Refused, declared
from drivers.vsphere import create
from drivers.vsphere.creation.making import DATASTORE
from reberth.testing.asking import ONE, SIZE, held
from tests.conformance.vsphere_rig import VsphereFaultsRig
from tests.vcsim.server import Spec as SimulatorSpec

HERE, THERE = "LocalDS_0", "LocalDS_1"
DATA = VolumeKey("data")


@pytest.fixture
async def rig() -> AsyncIterator[VsphereFaultsRig]:
    async with VsphereFaultsRig(SimulatorSpec(faults=True, datastores=2), datastores=[THERE]) as made:
        yield made


async def made(rig: VsphereFaultsRig, datastore: str | None, key: VolumeKey = DATA) -> DiskId:
    said = () if datastore is None else ((DATASTORE, datastore),)
    found = await rig.driver.create(key, Spec(SIZE, for_driver=said))
    assert isinstance(found, Created), found
    return found.disk


async def test_a_disk_is_made_on_the_datastore_that_its_volume_says_else_on_the_first(rig: VsphereFaultsRig) -> None:
    assert await made(rig, None, VolumeKey("first")) == f"[{HERE}] reberth/first.vmdk"
    assert await made(rig, THERE) == f"[{THERE}] reberth/data.vmdk"
    assert await made(rig, THERE) == f"[{THERE}] reberth/data.vmdk"
    assert await rig.driver.keys("") == ["data", "first"]
    options = {each.key: each for each in declared(rig.driver)}
    assert options[DATASTORE] == DriverOption(DATASTORE, (HERE, THERE), HERE, options[DATASTORE].about, copies=True)


async def test_an_unknown_datastore_is_refused_with_those_that_are_known(rig: VsphereFaultsRig) -> None:
    refused = await rig.driver.create(DATA, Spec(SIZE, for_driver=((DATASTORE, "NFS"),)))
    assert isinstance(refused, Refused)
    assert f"({HERE}, {THERE})" in refused.why
    assert refused.cure is not None


async def test_files_of_one_name_on_two_datastores_are_told_apart(rig: VsphereFaultsRig) -> None:
    one, two, vm, other = await made(rig, HERE), await made(rig, THERE), await rig.add_vm(), await rig.add_vm()
    assert await rig.driver.attach([two], vm, ONE) == [Done()]
    assert await held(rig) == {(two, vm)}
    assert await rig.driver.attach([one], other, ONE) == [Done()]
    assert await held(rig) == {(two, vm), (one, other)}
    assert await rig.driver.device(one, other) != await rig.driver.device(two, vm)
    assert await rig.driver.detach([one], other, ONE) == [Done()]
    assert await rig.driver.delete(one) == Done()
    assert isinstance(await rig.driver.delete(two), Refused)
    assert await held(rig) == {(two, vm)}
    assert await made(rig, THERE) == two


async def test_two_of_one_name_on_one_vm_leave_it_one_by_one(rig: VsphereFaultsRig) -> None:
    one, two, vm = await made(rig, HERE), await made(rig, THERE), await rig.add_vm()
    assert await rig.driver.attach([one, two], vm, ONE) == [Done(), Done()]
    assert await rig.driver.detach([one], vm, ONE) == [Done()]
    assert await held(rig) == {(two, vm)}
    assert await rig.driver.attach([one], vm, ONE) == [Done()]
    assert await held(rig) == {(one, vm), (two, vm)}


async def test_a_disk_that_was_made_before_is_found_whatever_datastore_comes_first_now(rig: VsphereFaultsRig) -> None:
    """A record of before the settings named several says no datastore."""
    alone = create(rig.simulator.settings())
    made_alone, vm = await alone.create(DATA, Spec(SIZE)), await rig.add_vm()
    assert isinstance(made_alone, Created)
    disk = made_alone.disk
    assert await alone.attach([disk], vm, ONE) == [Done()]
    await alone.close()
    turned = create(rig.simulator.settings(datastore=THERE, datastores=[HERE]))
    assert await turned.create(DATA, Spec(SIZE)) == Created(disk)
    assert [each.disk for each in (await turned.list_attachments()).attachments] == [disk]
    assert await turned.detach([disk], vm, ONE) == [Done()]
    assert await turned.attach([disk], vm, ONE) == [Done()]
    await turned.close()
    assert await held(rig) == {(disk, vm)}


async def test_of_two_disks_of_one_name_none_is_taken_without_a_word(rig: VsphereFaultsRig) -> None:
    one, two = await made(rig, HERE), await made(rig, THERE)
    refused = await rig.driver.create(DATA, Spec(SIZE))
    assert isinstance(refused, Refused)
    assert f"{one} and {two}" in refused.why


async def test_room_is_asked_of_the_datastore_that_the_disk_is_for(rig: VsphereFaultsRig) -> None:
    said = (("diskformat", "zeroedthick"), (DATASTORE, THERE))
    refused = await rig.driver.create(DATA, Spec(2**60, for_driver=said))
    assert isinstance(refused, Refused)
    assert refused.why.startswith(f"{THERE} has ")


async def test_a_copy_is_made_beside_its_source_or_where_its_volume_says(rig: VsphereFaultsRig) -> None:
    source = await made(rig, THERE)
    await rig.put(source, b"text".ljust(512, b"."))
    beside = await rig.driver.clone(VolumeKey("beside"), Spec(SIZE), source)
    assert beside == Created(DiskId(f"[{THERE}] reberth/beside.vmdk"))
    across = await rig.driver.clone(VolumeKey("across"), Spec(SIZE, for_driver=((DATASTORE, HERE),)), source)
    assert across == Created(DiskId(f"[{HERE}] reberth/across.vmdk"))
    assert await rig.got(DiskId(f"[{HERE}] reberth/across.vmdk"), 4) == b"text"


async def test_a_disk_on_a_datastore_that_the_settings_leave_out_stays_its_vms(rig: VsphereFaultsRig) -> None:
    disk, vm = await made(rig, THERE), await rig.add_vm()
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]
    without = create(rig.simulator.settings())
    found = await without.list_attachments()
    assert [(each.disk, VmId(each.vm)) for each in found.attachments] == [(disk, vm)]
    assert "name it in datastores again" in found.odd[disk]
    await without.close()


async def test_a_login_that_finds_no_datastore_leaves_no_session_behind(rig: VsphereFaultsRig) -> None:
    """It is tried again with each look, and a vCenter that has too many sessions lets in nobody."""
    before = rig.admin.sessions()
    wrong = create(rig.simulator.settings(datastores=["nowhere"]))
    for _ in range(3):
        with pytest.raises(DriverError, match="nowhere"):
            await wrong.list_attachments()
    assert rig.admin.sessions() == before
    await wrong.close()
