"""What an administrator reads in vCenter about a VM's disks."""

from __future__ import annotations

from structlog.testing import capture_logs

from drivers.base import Done
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE, TWO, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig


async def test_each_volume_that_comes_or_goes_is_an_event_of_its_vm() -> None:
    async with VsphereFaultsRig() as rig:
        one, two, vm = await new_disk(rig, "one"), await new_disk(rig, "two"), await rig.add_vm()
        await rig.driver.attach([one, two], vm, ONE)
        await rig.driver.attach([one], vm, ONE)  # nothing to do, nothing to tell
        await rig.driver.detach([two], vm, TWO)
        told = [line.split("\t") for line in (await rig.fault("events")).splitlines()]
        of = rig.admin.vm(vm)._moId
        assert told == [
            [of, "reberth: volumes one, two attached (epoch 1)"],
            [of, "reberth: volume two detached (epoch 2)"],
        ]


async def test_a_user_who_may_log_no_events_is_asked_once_and_fails_nothing() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        assert isinstance(rig.driver, VsphereDriver)
        await rig.fault("noevents")
        with capture_logs() as logs:
            assert await rig.driver.attach([disk], vm, ONE) == [Done()]
            assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        assert [each["event"] for each in logs].count("event.not_logged") == 1
        assert rig.driver.sent["LogUserEvent"] == 1


async def test_the_attribute_of_a_vm_names_the_volumes_that_it_has_now() -> None:
    async with VsphereFaultsRig(custom_attribute="Volumes") as rig:
        one, two, vm = await new_disk(rig, "one"), await new_disk(rig, "two"), await rig.add_vm()
        assert await rig.driver.attach([one, two], vm, ONE) == [Done(), Done()]
        assert rig.admin.attribute(vm, "Volumes") == "one, two"
        assert await rig.driver.detach([one], vm, TWO) == [Done()]
        assert rig.admin.attribute(vm, "Volumes") == "two"
        later = create(rig.simulator.settings(custom_attribute="Volumes"))
        assert await later.detach([two], vm, TWO) == [Done()]
        assert rig.admin.attribute(vm, "Volumes") == ""
        await later.close()


async def test_a_user_who_may_set_no_attributes_is_asked_once_and_fails_nothing() -> None:
    async with VsphereFaultsRig(custom_attribute="Volumes") as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        assert isinstance(rig.driver, VsphereDriver)
        await rig.fault("noattributes")
        with capture_logs() as logs:
            assert await rig.driver.attach([disk], vm, ONE) == [Done()]
            assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        assert [each["event"] for each in logs].count("attribute.not_set") == 1
        assert rig.driver.sent["AddFieldDefinition"] == 1
