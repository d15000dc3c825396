"""Large inventories: what is asked for, and what is asked for again. Pages as a vCenter's, but shorter."""

from __future__ import annotations

import asyncio

import pytest

from drivers.base import Done, DriverError, Refused
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE, TWO, held, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig
from tests.vcsim.server import Spec as Simulated

LARGE = Simulated(faults=True, vms=12, page=4)
SECRET = "cloud-init-password"


def requests(driver: object) -> dict[str, int]:
    assert isinstance(driver, VsphereDriver)
    return dict(driver.sent)


async def spent(driver: object, look: object) -> dict[str, int]:
    before = requests(driver)
    await look  # type: ignore[misc]
    return {
        name: count - before.get(name, 0) for name, count in requests(driver).items() if count > before.get(name, 0)
    }


async def test_a_look_at_what_has_not_changed_is_one_short_question_and_a_change_is_read_by_itself() -> None:
    async with VsphereFaultsRig(LARGE) as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        assert await held(rig) == set()
        assert await spent(rig.driver, rig.driver.list_attachments()) == {"WaitForUpdatesEx": 1}
        assert await rig.rival.attach([disk], vm, ONE) == [Done()]
        before = requests(rig.driver)
        assert before["CreatePropertyCollector"] == 1  # its filter and versions are no other request's
        assert await held(rig) == {(disk, vm)}
        now = requests(rig.driver)
        assert now["RetrievePropertiesEx"] - before["RetrievePropertiesEx"] == 1
        assert now.get("ContinueRetrievePropertiesEx", 0) == before.get("ContinueRetrievePropertiesEx", 0)


async def test_what_owners_gave_their_guests_is_never_fetched() -> None:
    async with VsphereFaultsRig(LARGE) as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        for each in rig.admin.vms:
            rig.admin.set_extra(each, guestinfo_userdata=SECRET)
        await rig.fault("seek", text=SECRET)
        driver = create(rig.simulator.settings(whole_look=0))
        assert await driver.attach([disk], vm, TWO) == [Done()]
        assert [(each.disk, each.epoch) for each in (await driver.list_attachments()).attachments] == [(disk, TWO)]
        (late,) = await driver.detach([disk], vm, ONE)
        assert isinstance(late, Refused)
        await driver.close()
        assert await rig.fault("sought") == "0\n"


async def test_a_first_look_that_was_given_up_is_not_begun_anew() -> None:
    async with VsphereFaultsRig(LARGE) as rig:
        driver = rig.driver
        await driver.power([])
        fresh = create(rig.simulator.settings())
        await rig.fault("slow", method="ContinueRetrievePropertiesEx", seconds="2")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await fresh.list_attachments()
        await fresh.list_attachments()
        assert requests(fresh)["WaitForUpdatesEx"] <= requests(driver)["WaitForUpdatesEx"] + 1
        assert requests(fresh)["RetrievePropertiesEx"] == requests(driver)["RetrievePropertiesEx"]
        await fresh.close()


async def test_only_vms_of_the_folders_that_are_named_are_seen() -> None:
    async with VsphereFaultsRig(LARGE) as rig:
        disk, inside, outside = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        folder = rig.admin.put_into("swarm", [inside])
        driver = create(rig.simulator.settings(vm_folders=[folder]))
        assert (await driver.list_attachments()).seen >= {inside}
        assert outside not in (await driver.list_attachments()).seen
        assert await driver.attach([disk], inside, ONE) == [Done()]
        (refused,) = await driver.attach([disk], outside, ONE)
        assert isinstance(refused, Refused)
        await driver.close()


async def test_a_folder_that_does_not_exist_is_named() -> None:
    async with VsphereFaultsRig(LARGE) as rig:
        driver = create(rig.simulator.settings(vm_folders=["DC0/vm/nowhere"]))
        with pytest.raises(DriverError, match="no folder DC0/vm/nowhere"):
            await driver.list_attachments()
        await driver.close()
