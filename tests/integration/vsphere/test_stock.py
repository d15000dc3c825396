"""The vSphere driver against Debian's simulator library as it is: an independent check of the driver's calls."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from controller.model import DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, PowerEvent, Refused, Unreachable
from drivers.shared.settings import SettingsError
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver
from drivers.vsphere.inventory import orders
from drivers.vsphere.settings import Settings
from tests.conformance.vsphere_rig import VsphereRig
from tests.vcsim.server import PASSWORD, STOCK, USER, Simulator, Started, thumbprint

SIZE = 64 * 2**20
ONE, TWO = Epoch(1), Epoch(2)


@pytest.fixture
async def rig() -> AsyncIterator[VsphereRig]:
    async with VsphereRig() as made:
        yield made


async def new_disk(rig: VsphereRig, name: str = "data") -> DiskId:
    created = await rig.driver.create(VolumeKey(name), Spec(SIZE))
    assert isinstance(created, Created), created
    return created.disk


async def reads(simulator: Simulator, **changes: object) -> str:
    """What a fresh driver says when it reads: "" when it can."""
    driver = create(simulator.settings(**changes))
    try:
        await driver.list_attachments()
    except DriverError as error:
        return str(error)
    finally:
        await driver.close()
    return ""


async def test_a_disk_is_attached_as_an_independent_one_in_the_folder_of_the_settings(rig: VsphereRig) -> None:
    disk, vm = await new_disk(rig), await rig.add_vm()
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]
    assert disk == "[LocalDS_0] reberth/data.vmdk"
    found = next(each for each in rig.admin.disk_devices(vm) if each.backing.fileName == disk)
    assert found.backing.diskMode == "independent_persistent"


async def test_a_detach_leaves_the_file_and_the_other_disks_of_the_vm(rig: VsphereRig) -> None:
    disk, vm = await new_disk(rig), await rig.add_vm()
    before = rig.admin.disks(vm)
    await rig.driver.attach([disk], vm, ONE)
    await rig.driver.detach([disk], vm, ONE)
    assert rig.admin.disks(vm) == before
    assert await rig.driver.attach([disk], vm, ONE) == [Done()]


async def test_a_vm_is_known_by_both_byte_orders_of_its_uuid_and_listed_as_it_was_asked_for(rig: VsphereRig) -> None:
    disk, plain = await new_disk(rig), await rig.add_vm()
    (swapped,) = orders(plain) - {plain}
    assert await rig.driver.attach([disk], VmId(swapped), ONE) == [Done()]
    assert [each.vm for each in (await rig.rival.list_attachments()).attachments] == [swapped]
    assert await rig.driver.power([plain, VmId(swapped)]) == {plain: Power.ON, swapped: Power.ON}
    assert await rig.driver.detach([disk], VmId(swapped), ONE) == [Done()]


async def test_two_vms_with_one_uuid_are_nobody(rig: VsphereRig) -> None:
    disk, vm, twin = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
    await rig.driver.attach([disk], vm, ONE)
    rig.admin.set_uuid(twin, vm)
    (refused,) = await rig.driver.detach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert "more than one VM" in refused.why
    assert await rig.driver.power([vm]) == {vm: Power.UNKNOWN}
    assert await rig.driver.power_off(vm) is Power.UNKNOWN


async def test_a_vm_that_does_not_show_uuids_gets_no_disk_and_the_reason_names_the_setting(rig: VsphereRig) -> None:
    disk, vm = await new_disk(rig), await rig.add_vm()
    rig.admin.set_extra(rig.admin.vm(vm), disk_EnableUUID="FALSE")
    (refused,) = await rig.driver.attach([disk], vm, ONE)
    assert isinstance(refused, Refused)
    assert "disk.EnableUUID = TRUE" in (refused.cure or "")
    assert list((await rig.driver.list_attachments()).attachments) == []


async def test_a_vm_with_another_name_and_hidden_uuids_is_told_of_before_anything_is_attached(rig: VsphereRig) -> None:
    assert isinstance(rig.driver, VsphereDriver)
    good, bad = await rig.add_vm(), await rig.add_vm()
    rig.admin.set_extra(rig.admin.vm(bad), disk_EnableUUID="FALSE")
    found = await rig.driver.concerns({good: rig.admin.name(good), bad: "swarm09"})
    assert list(found) == [bad]
    assert "swarm09 is called" in found[bad][0]
    assert "disk.EnableUUID" in found[bad][1]


async def test_more_disks_than_a_controller_holds_get_another_controller_first(rig: VsphereRig) -> None:
    disks, vm = [await new_disk(rig, f"d{number}") for number in range(20)], await rig.add_vm()
    assert await rig.driver.attach(disks, vm, ONE) == [Done()] * 20
    places = [rig.admin.place(vm, disk) for disk in disks]
    assert len(set(places)) == 20
    assert len({controller for controller, _ in places}) == 2
    assert 7 not in {unit for _, unit in places}


async def test_a_slot_just_freed_is_not_used_again_at_once(rig: VsphereRig) -> None:
    one, two, vm = await new_disk(rig, "one"), await new_disk(rig, "two"), await rig.add_vm()
    await rig.driver.attach([one], vm, ONE)
    freed = rig.admin.place(vm, one)
    await rig.driver.detach([one], vm, ONE)
    await rig.rival.attach([two], vm, ONE)  # another process: it knows from the VM
    assert rig.admin.place(vm, two) != freed


async def test_a_disk_outside_of_the_folder_is_refused(rig: VsphereRig) -> None:
    vm = await rig.add_vm()
    foreign = DiskId(rig.admin.disks(vm)[0])
    for outcomes in (await rig.driver.attach([foreign], vm, ONE), await rig.driver.detach([foreign], vm, ONE)):
        assert isinstance(outcomes[0], Refused)
    assert isinstance(await rig.driver.delete(foreign), Refused)
    assert foreign in rig.admin.disks(vm)


async def test_a_session_ended_by_an_administrator_costs_one_login_and_no_wrong_answer(rig: VsphereRig) -> None:
    """Without a session vCenter answers a read with objects that have no values: that is not "no attachments"."""
    disk, vm = await new_disk(rig), await rig.add_vm()
    await rig.driver.attach([disk], vm, ONE)
    assert rig.admin.end_sessions() > 0
    assert [each.disk for each in (await rig.driver.list_attachments()).attachments] == [disk]
    assert rig.admin.end_sessions() > 0
    assert await rig.driver.detach([disk], vm, ONE) == [Done()]


async def test_the_watch_goes_on_after_its_session_was_ended(rig: VsphereRig) -> None:
    vm = await rig.add_vm()
    events = rig.driver.watch_power()
    async with asyncio.timeout(30):
        assert await anext(events) == PowerEvent(None)
        await rig.switch(vm, Power.OFF)
        assert vm in {(await anext(events)).vm, (await anext(events)).vm}
        rig.admin.end_sessions()
        await rig.switch(vm, Power.ON)
        while await anext(events) != PowerEvent(None):
            pass


async def test_a_name_that_does_not_exist_is_named_in_the_error(rig: VsphereRig) -> None:
    assert "no datacenter Nowhere" in await reads(rig.simulator, datacenter="Nowhere")
    assert "no datastore or datastore cluster DC0/datastore/Nothing" in await reads(rig.simulator, datastore="Nothing")


async def test_a_server_with_a_certificate_of_another_ca_is_not_spoken_to(rig: VsphereRig) -> None:
    said = await reads(rig.simulator, ca_file=None)
    assert "certificate is not trusted" in said


async def test_a_pinned_certificate_is_compared_on_every_connection(rig: VsphereRig) -> None:
    """PyVmomi's own pinning checks the first connection only."""
    pin = thumbprint()
    assert await reads(rig.simulator, ca_file=None, thumbprint=pin.upper()) == ""
    wrong = ("0" if pin[0] != "0" else "1") + pin[1:]
    driver = create(rig.simulator.settings(ca_file=None, thumbprint=wrong))
    for _ in range(3):
        with pytest.raises(DriverError, match="not the thumbprint"):
            await driver.list_attachments()
    await driver.close()


async def test_a_refused_password_is_not_tried_again_until_the_secret_changes(rig: VsphereRig, tmp_path: Path) -> None:
    """VCenter would lock the account after a few tries."""
    file = tmp_path / "password"
    file.write_text("wrong")
    driver = create(rig.simulator.settings(password_file=str(file)))
    assert isinstance(driver, VsphereDriver)
    for _ in range(3):
        with pytest.raises(DriverError, match=r"password|InvalidLogin"):
            await driver.list_attachments()
    assert driver.sent["Login"] == 1
    file.write_text(PASSWORD + "\n")
    assert list((await driver.list_attachments()).attachments) == []
    await driver.close()


async def test_no_secret_is_in_logs_errors_tracebacks_or_representations(
    rig: VsphereRig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "hunter2-" + "x" * 20
    file = tmp_path / "password"
    file.write_text(secret)
    texts = [repr(Settings.parse(rig.simulator.settings(password_file=str(file))))]
    driver = create(rig.simulator.settings(password_file=str(file)))
    with structlog.testing.capture_logs() as logs:
        try:
            await driver.list_attachments()
        except DriverError as error:
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # not our own frame
            said = traceback.TracebackException.from_exception(error, capture_locals=True)
            texts += ["".join(said.format()), repr(error), repr(error.__cause__)]
        texts += [repr(await driver.create(VolumeKey("x"), Spec(SIZE))), repr(driver), str(vars(driver))]
        events = driver.watch_power()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(events)
        await driver.close()
    texts += [repr(logs), *capfd.readouterr()]
    assert logs
    assert all(secret not in text for text in texts)


async def test_a_storage_policy_is_found_by_its_name(rig: VsphereRig) -> None:
    """Its name decides; that the disk has the policy the simulator does not tell."""
    driver = create(rig.simulator.settings(storage_policy="vSAN Default Storage Policy"))
    assert isinstance(await driver.create(VolumeKey("with"), Spec(SIZE)), Created)
    await driver.close()
    driver = create(rig.simulator.settings(storage_policy="Nonesuch"))
    refused = await driver.create(VolumeKey("without"), Spec(SIZE))
    assert isinstance(refused, Refused)
    assert "no storage policy Nonesuch" in refused.why
    await driver.close()


async def test_nobody_at_the_address_is_unreachable() -> None:
    with Started(STOCK) as simulator:
        settings = simulator.settings()
    driver = create(settings)
    assert isinstance(await driver.create(VolumeKey("x"), Spec(SIZE)), Unreachable)
    await driver.close()


def test_the_user_is_not_needed_to_read_the_settings() -> None:
    """Secrets are read at a login, not when the driver is made."""
    raw = {"host": "h", "user_file": "/none", "password_file": "/none", "datacenter": "d", "datastore": "s"}
    assert Settings.parse(raw).host == "h"
    with pytest.raises(SettingsError, match="hostt"):
        create({**raw, "hostt": "x"})
    assert USER not in repr(Settings.parse(raw))
