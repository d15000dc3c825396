"""Storage policies, room, and what is wrong with hosts before a disk has to go there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from controller.model import Power, Spec, VolumeKey
from drivers.base import Created, Done, Refused, declared
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE, SIZE, TWO, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig

POLICY = "vSAN Default Storage Policy"


@pytest.fixture
async def rig() -> AsyncIterator[VsphereFaultsRig]:
    async with VsphereFaultsRig() as made:
        yield made


async def test_a_disk_that_is_attached_is_given_the_policy_that_its_device_does_not_show(rig: VsphereFaultsRig) -> None:
    disk, vm = await new_disk(rig), await rig.add_vm()
    driver = create(rig.simulator.settings(storage_policy=POLICY))
    assert await driver.attach([disk], vm, ONE) == [Done()]
    assert (await rig.fault("policies")).split("\t")[0] == disk
    assert [each.epoch for each in (await driver.list_attachments()).attachments] == [ONE]
    await driver.close()


async def test_a_policy_that_cannot_be_given_keeps_no_disk_from_its_task(rig: VsphereFaultsRig) -> None:
    disk, vm = await new_disk(rig), await rig.add_vm()
    driver = create(rig.simulator.settings(storage_policy="gone"))
    with capture_logs() as logs:
        assert await driver.attach([disk], vm, TWO) == [Done()]
    assert [each["disks"] for each in logs if each["event"] == "policy.not_given"] == [[disk]]
    await driver.close()


async def test_a_volumes_own_policy_wins_over_the_settings_when_it_is_attached(rig: VsphereFaultsRig) -> None:
    assert isinstance(rig.driver, VsphereDriver)
    said = {
        name: Spec(2**26, for_driver=(("storage-policy", POLICY),) if name == "own" else ()) for name in ("own", "no")
    }
    made = {name: await rig.driver.create(VolumeKey(name), spec) for name, spec in said.items()}
    disks = {name: each.disk for name, each in made.items() if isinstance(each, Created)}
    wanted = {disks[name]: spec for name, spec in said.items()}
    assert await rig.driver.attach_volumes(wanted, await rig.add_vm(), ONE) == [Done(), Done()]
    (given,) = (await rig.fault("policies")).splitlines()
    assert given.split("\t")[0] == disks["own"]


async def test_an_unknown_policy_is_refused_at_creation_with_the_cure(rig: VsphereFaultsRig) -> None:
    spec = Spec(2**26, for_driver=(("storage-policy", "gold"),))
    refused = await rig.driver.create(VolumeKey("new"), spec)
    assert isinstance(refused, Refused)
    assert "there is no storage policy gold" in refused.why
    assert "storage-policy in driver_opts" in str(refused.cure)
    assert await rig.driver.keys("new") == []
    source = await new_disk(rig)
    assert isinstance(await rig.driver.clone(VolumeKey("copy"), spec, source), Refused)


async def test_a_disk_that_is_there_is_found_also_when_its_policy_is_gone(rig: VsphereFaultsRig) -> None:
    disk = await new_disk(rig)
    again = await rig.driver.create(VolumeKey("data"), Spec(SIZE, for_driver=(("storage-policy", "gone"),)))
    assert again == Created(disk)


async def test_a_policy_that_encrypts_is_refused_at_creation(rig: VsphereFaultsRig) -> None:
    driver = create(rig.simulator.settings(storage_policy="VM Encryption Policy"))
    refused = await driver.create(VolumeKey("secret"), Spec(2**26))
    assert isinstance(refused, Refused)
    assert "encrypts" in refused.why
    await driver.close()


async def test_a_thick_disk_for_which_there_is_no_room_is_refused_before_it_is_begun(rig: VsphereFaultsRig) -> None:
    driver = create(rig.simulator.settings(disk_format="eager-zeroed"))
    refused = await driver.create(VolumeKey("large"), Spec(2**60))
    assert isinstance(refused, Refused)
    assert "make room" in refused.why
    assert await driver.keys("large") == []
    assert isinstance(await driver.create(VolumeKey("small"), Spec(2**26)), Created)
    await driver.close()


async def test_the_format_that_a_volume_says_wins_over_the_settings(rig: VsphereFaultsRig) -> None:
    """Seen by the room that is asked for first: only of thick disks."""
    thin, thick = create(rig.simulator.settings()), create(rig.simulator.settings(disk_format="eager-zeroed"))
    formats = [each.default for each in (*declared(thin), *declared(thick)) if each.key == "diskformat"]
    assert formats == ["thin", "eagerzeroedthick"]
    refused = await thin.create(VolumeKey("large"), Spec(2**60, for_driver=(("diskformat", "zeroedthick"),)))
    assert isinstance(refused, Refused)
    assert "a zeroed-thick disk needs" in refused.why
    taken = await thick.create(VolumeKey("small"), Spec(2**26, for_driver=(("diskformat", "thin"),)))
    assert isinstance(taken, Created)
    await thin.close()
    await thick.close()


async def test_a_host_in_maintenance_mode_is_told_of_before_a_disk_has_to_go_there(rig: VsphereFaultsRig) -> None:
    assert isinstance(rig.driver, VsphereDriver)
    vm = await rig.add_vm()
    nodes = {vm: rig.admin.name(vm)}
    assert await rig.driver.concerns(nodes) == {}
    host = rig.admin.vm(vm).runtime.host
    assert rig.admin.wait(host.EnterMaintenanceMode(0)) is None
    ((sentence,),) = (await rig.driver.concerns(nodes)).values()
    assert "maintenance mode" in sentence


async def test_a_vm_that_the_settings_do_not_name_gets_no_disk_and_is_not_switched_off(rig: VsphereFaultsRig) -> None:
    """Also not for a node that says it is that VM. A disk of ours that is on it can be taken from there."""
    disk, stray, ours, strange = (
        await new_disk(rig),
        await new_disk(rig, "stray"),
        await rig.add_vm(),
        await rig.add_vm(),
    )
    assert await rig.driver.attach([stray], strange, ONE) == [Done()]
    driver = create(rig.simulator.settings(vms=[rig.admin.vm(ours).name]))
    assert isinstance(driver, VsphereDriver)
    (refused,) = await driver.attach([disk], strange, ONE)
    assert isinstance(refused, Refused)
    assert rig.admin.vm(strange).name in refused.why
    assert refused.cure is not None
    assert isinstance(await driver.power_off(strange), Refused)
    assert await rig.driver.power([strange]) == {strange: Power.ON}
    assert any("none of those in `vms`" in each for each in (await driver.concerns({strange: "host"}))[strange])
    assert not any("`vms`" in each for each in (await driver.concerns({ours: "host"})).get(ours, ()))
    assert await driver.detach([stray], strange, ONE) == [Done()]
    assert await driver.attach([disk], ours, ONE) == [Done()]
    assert await driver.power_off(ours) is Power.OFF
    await driver.close()
