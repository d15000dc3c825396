"""
The vSphere driver against the simulator with our fault layer.

The faults are our own emulation of what docs/vsphere.md says of real hosts: locks, lost hosts, tasks that take their
time, answers that do not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from controller.model import DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, DriverError, InDoubt, PowerEvent, Refused, Unreachable
from drivers.vsphere.async_session import Calls
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import stamp
from drivers.vsphere.requests import Change
from drivers.vsphere.settings import Settings
from tests.conformance.vsphere_rig import VsphereFaultsRig
from tests.support.awaiting import as_coroutine
from tests.vcsim.server import FAULTS, USER
from tests.vcsim.server import Spec as Simulated

T = TypeVar("T")
SIZE = 64 * 2**20
ONE, TWO = Epoch(1), Epoch(2)


async def new_disk(rig: VsphereFaultsRig, name: str = "data") -> DiskId:
    created = await rig.driver.create(VolumeKey(name), Spec(SIZE))
    assert isinstance(created, Created), created
    return created.disk


async def held(rig: VsphereFaultsRig) -> set[tuple[DiskId, VmId]]:
    return {(each.disk, each.vm) for each in (await rig.driver.list_attachments()).attachments}


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110 - the simulator cannot wake us
            await asyncio.sleep(0.05)


async def calls(rig: VsphereFaultsRig) -> dict[str, int]:
    """Requests since this was last asked."""
    return {name: int(count) for name, count in (line.split() for line in (await rig.fault("calls")).splitlines())}


async def test_an_attach_whose_answer_is_lost_is_done_when_the_vm_shows_the_disk() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.fault("mute", method="ReconfigVM_Task")
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        await rig.fault("mute", method="ReconfigVM_Task")
        assert await rig.driver.detach([disk], vm, ONE) == [Done()]
        assert await held(rig) == set()


async def test_a_create_whose_answer_is_lost_is_in_doubt_and_the_next_one_finds_the_disk() -> None:
    async with VsphereFaultsRig() as rig:
        await rig.fault("mute", method="CreateVirtualDisk_Task")
        assert isinstance(await rig.driver.create(VolumeKey("data"), Spec(SIZE)), InDoubt)
        assert isinstance(await rig.driver.create(VolumeKey("data"), Spec(SIZE)), Created)
        assert isinstance(await rig.driver.create(VolumeKey("data"), Spec(2 * SIZE)), Refused)


async def test_a_task_that_hangs_is_in_doubt_and_the_list_shows_its_late_effect() -> None:
    async with VsphereFaultsRig(FAULTS, task_timeout=0.5) as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.fault("hang", vm=rig.admin.name(vm))
        (outcome,) = await rig.driver.attach([disk], vm, ONE)
        assert isinstance(outcome, InDoubt)
        assert "has not ended within 0.5 s" in outcome.why
        assert await held(rig) == set()
        await rig.fault("hang", vm=rig.admin.name(vm), off="1")

        async def shown() -> bool:
            return await held(rig) == {(disk, vm)}

        await until(shown)


async def test_a_late_task_of_an_old_leader_is_refused_by_the_version_it_was_made_for() -> None:
    """Both have looked and sent; only the one that is carried out first counts."""
    async with VsphereFaultsRig() as rig:
        one, two, vm = await new_disk(rig, "one"), await new_disk(rig, "two"), await rig.add_vm()
        await rig.fault("hang", vm=rig.admin.name(vm))
        async with asyncio.TaskGroup() as group:
            old = group.create_task(as_coroutine(rig.rival.attach([one], vm, ONE)))
            new = group.create_task(as_coroutine(rig.driver.attach([two], vm, TWO)))
            await asyncio.sleep(1)
            await rig.fault("hang", vm=rig.admin.name(vm), off="1")
        outcomes = [*old.result(), *new.result()]
        assert sorted(type(each).__name__ for each in outcomes) == ["Done", "Refused"]
        assert len(await held(rig)) == 1


async def test_vcenter_refuses_a_change_made_for_an_older_configuration() -> None:
    async with VsphereFaultsRig() as rig:
        vm = await rig.add_vm()
        client = Calls(Settings.parse(rig.simulator.settings()))
        vms = (await client.look(whole=True)).vms
        old = next(each for each in vms if each.uuid == vm)
        change = Change(old.ref, old.change_version, (("reberth.epoch", "5"), ("reberth.vm", vm)))
        await client.reconfigure(change)
        with pytest.raises(Fault) as refused:
            await client.reconfigure(change)
        assert refused.value.kind is Kind.BUSY
        assert stamp(await client.vm(old.ref)) == 5
        await client.close()


async def test_two_clients_that_attach_one_disk_to_two_vms_at_once_have_one_winner() -> None:
    async with VsphereFaultsRig(Simulated(faults=True, task_time="300ms")) as rig:
        disk, first, second = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        async with asyncio.TaskGroup() as group:
            one = group.create_task(as_coroutine(rig.driver.attach([disk], first, ONE)))
            two = group.create_task(as_coroutine(rig.rival.attach([disk], second, ONE)))
        assert sorted(type(each).__name__ for each in [*one.result(), *two.result()]) == ["Done", "Refused"]
        assert len(await held(rig)) == 1


async def test_a_task_that_is_reported_as_failed_after_it_was_done_is_done() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.fault("lie", vm=rig.admin.name(vm))
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]
        await rig.fault("lie", vm=rig.admin.name(vm))
        assert await rig.driver.detach([disk], vm, ONE) == [Done()]


async def test_a_locked_disk_is_refused_with_a_pause_and_no_second_try_takes_the_others_down() -> None:
    async with VsphereFaultsRig() as rig:
        locked, good, vm = await new_disk(rig, "locked"), await new_disk(rig, "good"), await rig.add_vm()
        await rig.fault("lock", file=locked)
        first = await rig.driver.attach([locked, good], vm, ONE)
        assert [isinstance(each, Refused) and each.retry_after == 30.0 for each in first] == [True, True]
        await calls(rig)
        second = [await rig.driver.attach([locked, good], vm, ONE), await rig.driver.attach([locked, good], vm, ONE)][1]
        assert isinstance(second[0], Refused)
        assert second[1] == Done()
        assert (await calls(rig))["ReconfigVM_Task"] <= 3
        await rig.fault("lock", file=locked, off="1")
        assert await rig.driver.attach([locked, good], vm, ONE) == [Done(), Done()]


@pytest.mark.parametrize("state", ["notResponding", "disconnected"])
async def test_a_vm_whose_host_is_lost_is_never_evidence(state: str) -> None:
    """Its disk stays with it in the list, its power is unknown, a detach is not done, and nobody else gets the disk."""
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.move_apart(vm, other)
        await rig.fault("host", name=rig.admin.host(vm), state=state)
        assert await rig.driver.power([vm, other]) == {vm: Power.UNKNOWN, other: Power.ON}
        (outcome,) = await rig.driver.detach([disk], vm, ONE)
        assert isinstance(outcome, Refused)
        assert await rig.driver.power_off(vm) is Power.UNKNOWN
        assert isinstance((await rig.driver.attach([disk], other, ONE))[0], Refused)
        assert await held(rig) == {(disk, vm)}


async def test_a_crashed_host_that_is_back_gives_the_evidence_and_the_disk() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.move_apart(vm, other)
        host = rig.admin.host(vm)
        await rig.fault("host", name=host, state="notResponding", crash="1")
        assert await rig.driver.power([vm]) == {vm: Power.UNKNOWN}
        await rig.fault("host", name=host, state="connected")
        assert await rig.driver.power([vm]) == {vm: Power.OFF}
        assert await rig.driver.detach([disk], vm, TWO) == [Done()]
        assert await rig.driver.attach([disk], other, TWO) == [Done()]


async def test_a_vm_taken_out_of_the_inventory_gives_its_disk_free_but_is_no_evidence() -> None:
    """The way out when its host never comes back. Only the file's lock then keeps two from writing."""
    async with VsphereFaultsRig() as rig:
        disk, vm, other = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.move_apart(vm, other)
        await rig.fault("host", name=rig.admin.host(vm), state="notResponding", crash="1")
        await rig.fault("remove", vm=rig.admin.name(vm))
        assert await rig.driver.power([vm]) == {vm: Power.UNKNOWN}
        await rig.fault("lock", file=disk)
        assert isinstance((await rig.driver.attach([disk], other, ONE))[0], Refused)
        await rig.fault("lock", file=disk, off="1")
        assert await rig.driver.attach([disk], other, ONE) == [Done()]


async def test_the_loss_of_a_host_reaches_the_watcher() -> None:
    async with VsphereFaultsRig() as rig:
        vm = await rig.add_vm()
        events = rig.driver.watch_power()
        async with asyncio.timeout(30):
            assert await anext(events) == PowerEvent(None)
            await rig.lose_host(vm)
            assert isinstance(await anext(events), PowerEvent)


async def test_vcenter_that_is_away_is_unreachable_and_back_without_a_restart() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.fault("down")
        (outcome,) = await rig.driver.attach([disk], vm, ONE)
        assert isinstance(outcome, Unreachable)
        with pytest.raises(DriverError):
            await rig.driver.list_attachments()
        await rig.fault("down", off="1")
        assert await rig.driver.attach([disk], vm, ONE) == [Done()]


async def test_a_rotated_password_is_read_at_the_next_login() -> None:
    async with VsphereFaultsRig() as rig:
        await new_disk(rig)
        await rig.fault("password", user=USER, password="a-new-one")
        rig.admin.end_sessions()
        with pytest.raises(DriverError, match="InvalidLogin"):
            await rig.driver.list_attachments()
        rig.simulator.password_file.write_text("a-new-one\n")
        assert list((await rig.driver.list_attachments()).attachments) == []


async def test_a_refused_password_is_tried_once_by_looks_and_by_the_watch_together() -> None:
    """More often, and vCenter locks the account: then the right one does not help for minutes either."""
    async with VsphereFaultsRig() as rig:
        events = rig.driver.watch_power()
        assert await anext(events) == PowerEvent(None)
        await rig.fault("password", user=USER, password="a-new-one")
        rig.admin.end_sessions()
        await calls(rig)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await anext(events)
        with pytest.raises(DriverError, match="not tried again"):
            await rig.driver.list_attachments()
        assert (await calls(rig))["Login"] == 1


async def test_a_call_that_takes_too_long_is_in_doubt_and_its_thread_ends_with_the_driver() -> None:
    async with VsphereFaultsRig(FAULTS, call_timeout=1.0) as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.fault("slow", method="ReconfigVM_Task", seconds="3")
        (outcome,) = await rig.driver.attach([disk], vm, ONE)
        assert isinstance(outcome, InDoubt)
        assert "no answer within 1 s" in outcome.why


async def test_sixty_disks_of_one_vm_cost_as_many_calls_as_one() -> None:
    async with VsphereFaultsRig(FAULTS, disks_per_controller=64) as rig:
        disks = [await new_disk(rig, f"d{number}") for number in range(60)]
        one, vm = await new_disk(rig, "single"), await rig.add_vm()
        await rig.driver.attach([one], vm, ONE)
        await rig.driver.detach([one], vm, ONE)
        await calls(rig)
        await rig.driver.attach([one], vm, ONE)
        for_one = await calls(rig)
        assert await rig.driver.attach(disks, vm, ONE) == [Done()] * 60
        assert for_one["ReconfigVM_Task"] == (await calls(rig))["ReconfigVM_Task"] == 1
        assert await rig.driver.detach(disks, vm, ONE) == [Done()] * 60
        assert (await calls(rig))["ReconfigVM_Task"] == 1
