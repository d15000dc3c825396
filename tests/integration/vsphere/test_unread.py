"""What vCenter does not tell is not "not there": VMs without devices or configuration, moved disks, pages."""

from __future__ import annotations

import pytest

from controller.model import AttachmentState, Power, VmId
from drivers.base import Done, DriverError, Refused, Unreachable
from drivers.vsphere import create
from reberth.testing.asking import ONE, TWO, held, kinds, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig, VsphereRig
from tests.vcsim.server import Spec as Simulated

PAGE = 4
MOVED = "[LocalDS_0] DC0_C0_RP0_VM0/DC0_C0_RP0_VM0_1.vmdk"


async def test_a_vm_that_shows_no_devices_has_not_given_its_disks_back() -> None:
    """As vCenter shows a VM while its host loses its power: connected, on, and without any device."""
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.fault("empty", vm=rig.admin.name(vm))
        listed = await rig.driver.list_attachments()
        assert listed.attachments == ()
        assert vm not in listed.seen
        assert other in listed.seen
        assert "an empty device list" in listed.unread[0]
        assert kinds(await rig.driver.detach([disk], vm, TWO)) == [Refused]
        assert isinstance(await rig.driver.delete(disk), Unreachable)
        await rig.fault("empty", vm=rig.admin.name(vm), off="1")
        assert await held(rig) == {(disk, vm)}
        assert (await rig.driver.list_attachments()).unread == ()


async def test_power_is_told_with_the_list_and_a_vm_whose_host_is_lost_is_not_seen() -> None:
    async with VsphereFaultsRig() as rig:
        vm, other = await rig.add_vm(), await rig.add_vm()
        await rig.move_apart(vm, other)
        await rig.lose_host(vm)
        listed = await rig.driver.list_attachments()
        assert listed.power is not None
        assert (listed.power[vm], listed.power[other]) == (Power.UNKNOWN, Power.ON)
        assert vm not in listed.seen
        assert listed.unread == ()


async def test_a_vm_that_is_only_being_cloned_holds_no_volume() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm, made = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.fault("blank", vm=rig.admin.name(made))
        assert (await rig.driver.list_attachments()).unread == ()
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        await rig.driver.detach([disk], vm, ONE)
        assert await rig.driver.delete(disk) == Done()


async def test_a_vm_that_was_read_before_or_has_a_host_may_hold_a_disk_when_it_cannot_be_read() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm, lost = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        name = rig.admin.name(lost)
        await rig.fault("blank", vm=name, held="1")
        assert f"{name} (connected: no configuration)" in (await rig.driver.list_attachments()).unread[0]
        assert isinstance(await rig.driver.delete(disk), Unreachable)
        # Whether this disk may be on it is the planner's question; the file's lock has the last word.
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        await rig.fault("blank", vm=name, off="1")
        assert (await rig.driver.list_attachments()).unread == ()
        await rig.fault("blank", vm=name)
        assert name in (await rig.driver.list_attachments()).unread[0]


@pytest.mark.parametrize("whole_look", [0, 300])
async def test_a_vm_that_the_user_may_not_see_any_more_keeps_its_disks(whole_look: float) -> None:
    """All that the user is told then looks whole: VMs, hosts and datastores, without that VM."""
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        driver = create(rig.simulator.settings(whole_look=whole_look))
        assert await driver.attach([disk], vm, ONE) == [Done()]
        await rig.fault("hide", vm=rig.admin.name(vm))
        listed = await driver.list_attachments()
        assert (listed.attachments, vm in listed.seen, other in listed.seen) == ((), False, True)
        assert f"vCenter lists {rig.admin.name(vm)} no more" in listed.unread[0]
        # The file's lock is no help where that VM is off.
        await rig.switch(vm, Power.OFF)
        assert kinds(await driver.attach([disk], other, TWO)) == [Refused]
        assert isinstance(await driver.delete(disk), Unreachable)
        assert disk in rig.admin.disks(vm)
        await rig.fault("hide", vm=rig.admin.name(vm), off="1")
        assert [(each.disk, each.vm) for each in (await driver.list_attachments()).attachments] == [(disk, vm)]
        assert (await driver.list_attachments()).unread == ()
        assert await driver.detach([disk], vm, TWO) == [Done()]
        assert await driver.attach([disk], other, TWO) == [Done()]
        await driver.close()


async def test_a_vm_that_the_user_may_not_read_holds_only_what_may_be_on_it() -> None:
    """A stranger's VM, on which somebody has restricted the user's role, must not hold what is seen to be elsewhere."""
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        driver = create(rig.simulator.settings(whole_look=0))
        await rig.fault("hide", vm=rig.admin.name(other), listed="1")
        assert await driver.attach([disk], vm, ONE) == [Done()]
        listed = await driver.list_attachments()
        assert [(each.disk, each.vm) for each in listed.attachments] == [(disk, vm)]
        assert "vCenter does not let the user read" in listed.unread[0]
        assert await driver.detach([disk], vm, ONE) == [Done()]
        assert isinstance(await driver.delete(disk), Unreachable)
        await rig.fault("hide", vm=rig.admin.name(other), off="1")
        assert await driver.attach([disk], other, ONE) == [Done()]
        await rig.fault("hide", vm=rig.admin.name(other), listed="1")
        assert kinds(await driver.attach([disk], vm, TWO)) == [Refused]  # by what was noted on it
        await rig.fault("hide", vm=rig.admin.name(other), off="1")
        assert await driver.delete(disk) != Done()
        await driver.close()


@pytest.mark.parametrize("whole_look", [0, 300])
async def test_a_vm_that_is_moved_out_of_the_folders_that_are_looked_at_is_still_read(whole_look: float) -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        folder = rig.admin.put_into("swarm", [vm, other])
        driver = create(rig.simulator.settings(vm_folders=[folder], whole_look=whole_look))
        assert await driver.attach([disk], vm, ONE) == [Done()]
        rig.admin.put_into("elsewhere", [vm])
        listed = await driver.list_attachments()
        assert [(each.disk, each.vm) for each in listed.attachments] == [(disk, vm)]
        assert listed.power is not None
        assert (listed.unread, listed.power[vm]) == ((), Power.ON)
        assert kinds(await driver.attach([disk], other, TWO)) == [Refused]
        assert await driver.detach([disk], vm, TWO) == [Done()]
        await driver.close()


async def test_a_disk_that_storage_vmotion_moved_is_still_its_vm_s_and_the_cure_is_named() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.fault("move", vm=rig.admin.name(vm), file=disk, to=MOVED)
        listed = await rig.driver.list_attachments()
        assert [(each.disk, each.vm, each.state) for each in listed.attachments] == [
            (disk, vm, AttachmentState.UNCERTAIN)
        ]
        assert MOVED in listed.odd[disk]
        for outcome in (
            *await rig.driver.attach([disk], other, ONE),
            *await rig.driver.detach([disk], vm, ONE),
            await rig.driver.delete(disk),
        ):
            assert isinstance(outcome, Refused)
        await rig.fault("move", vm=rig.admin.name(vm), file=MOVED, to=disk)
        assert await rig.driver.detach([disk], vm, TWO) == [Done()]
        assert await rig.driver.attach([disk], other, TWO) == [Done()]


async def test_a_disk_attached_by_hand_is_known_after_a_move_once_a_leader_has_stamped_it() -> None:
    """Without a pin it is known by its path alone, which Storage vMotion changes."""
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        assert rig.admin.attach(vm, disk, 9) is None
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        await rig.fault("move", vm=rig.admin.name(vm), file=disk, to=MOVED)
        listed = await rig.driver.list_attachments()
        assert [(each.disk, each.vm, each.state) for each in listed.attachments] == [
            (disk, vm, AttachmentState.UNCERTAIN)
        ]
        assert MOVED in listed.odd[disk]
        assert isinstance((await rig.driver.attach([disk], other, TWO))[0], Refused)


async def test_a_disk_that_somebody_swapped_for_another_by_hand_is_forgotten_once_a_leader_has_stamped_the_vm() -> None:
    """Both disks are known then where they are, also after Storage vMotion."""
    async with VsphereFaultsRig() as rig:
        taken, given, vm = await new_disk(rig, "taken"), await new_disk(rig, "given"), await rig.add_vm()
        await rig.driver.attach([taken], vm, ONE)
        _, unit = rig.admin.place(vm, taken)
        assert rig.admin.detach(vm, taken) is None
        assert rig.admin.attach(vm, given, unit) is None
        assert await rig.driver.attach([given], vm, TWO) == [Done()]
        await rig.fault("move", vm=rig.admin.name(vm), file=given, to=MOVED)
        listed = await rig.driver.list_attachments()
        assert [(each.disk, each.state) for each in listed.attachments] == [(given, AttachmentState.UNCERTAIN)]


async def test_a_disk_that_was_taken_by_hand_is_free_again_also_where_its_slot_is_used_after_a_change() -> None:
    async with VsphereFaultsRig() as rig:
        taken, other, vm = await new_disk(rig, "taken"), await new_disk(rig, "other"), await rig.add_vm()
        await rig.driver.attach([taken], vm, ONE)
        _, unit = rig.admin.place(vm, taken)
        assert rig.admin.detach(vm, taken) is None
        assert await rig.driver.attach([other], vm, ONE) == [Done()]  # takes the note of the first one away
        rig.admin.make_folder("theirs")
        rig.admin.make_disk("[LocalDS_0] theirs/theirs.vmdk")
        assert rig.admin.attach(vm, "[LocalDS_0] theirs/theirs.vmdk", unit) is None
        assert await held(rig) == {(other, vm)}
        assert (await rig.driver.list_attachments()).odd == {}


async def test_a_disk_on_a_sata_controller_is_no_nodes_and_is_given_back() -> None:
    """No guest shows it there under the name that is looked for."""
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        assert rig.admin.attach_by_sata(vm, disk) is None
        assert await held(rig) == {(disk, vm)}
        with pytest.raises(DriverError, match="not SCSI"):
            await rig.driver.device(disk, vm)
        assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        assert (await rig.driver.device(disk, vm)).by_id


async def test_what_vcenter_gave_up_waiting_for_is_looked_for() -> None:
    for fault in ("Timedout", "SystemError"):
        async with VsphereFaultsRig() as rig:
            disk, vm = await new_disk(rig), await rig.add_vm()
            await rig.fault("lie", vm=rig.admin.name(vm), **{"as": fault})
            assert await rig.driver.attach([disk], vm, ONE) == [Done()]
            await rig.fault("lie", vm=rig.admin.name(vm), **{"as": fault})
            assert await rig.driver.detach([disk], vm, ONE) == [Done()]


async def test_an_answer_in_pages_is_one_look() -> None:
    """A real vCenter answers with at most 100 objects, whatever is asked for."""
    async with VsphereRig(Simulated(vms=12, page=PAGE)) as rig:
        disks = [await new_disk(rig, f"d{number}") for number in range(12)]
        vms = [await rig.add_vm() for _ in disks]
        for disk, vm in zip(disks, vms, strict=True):
            assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        listed = await rig.driver.list_attachments()
        assert {(each.disk, each.vm) for each in listed.attachments} == set(zip(disks, vms, strict=True))
        assert set(vms) <= listed.seen
        assert await rig.driver.power(vms) == dict.fromkeys(vms, Power.ON)
        await rig.switch(VmId(vms[11]), Power.OFF)
        assert (await rig.driver.power(vms))[vms[11]] is Power.OFF
