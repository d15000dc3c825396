"""VMs of the swarm that are not listed any more: gone, elsewhere, or out of the user's sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from controller.model import Power, VmId
from drivers.shared.faults import CallError, Doubt, NotSent
from drivers.vsphere.decide import guard
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import FORBIDDEN, UNSEEN, Disk, File, Inventory, Place, Vm, listing, power, whole
from drivers.vsphere.sight import Sight

UUID = "420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b"
PLACE = Place("datastore-1", "DS", "reberth")
DISK = Disk(2001, 1000, 1, (File("datastore-1", "reberth/data.vmdk"),))
PINNED = {"reberth.vm": UUID, "reberth.disks.0": "1:data"}
HOSTS = {"host-1": "connected"}
VM = Vm("vm-1", "swarm01", UUID, "poweredOn", "connected", "host-1", "1", PINNED, (DISK,))
NONE = Inventory((), HOSTS)


class Server:
    """``answer``: to whoever asks for a VM by itself."""

    def __init__(self, answer: Inventory | CallError) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def again(self, vms: Sequence[Vm]) -> Inventory:
        assert [vm.host for vm in vms] == [None]  # of which it could not be read either, maybe
        self.asked += [vm.ref for vm in vms]
        if isinstance(self.answer, CallError):
            raise self.answer
        return self.answer


async def after(server: Server, *looks: Inventory, nodes: Sequence[str] = ()) -> tuple[Inventory, Sight]:
    sight = Sight(server)
    found = NONE
    for each in looks:
        found = await sight.whole(each, PLACE, [VmId(node) for node in nodes])
    return found, sight


@pytest.mark.parametrize(
    "fault", [Fault(Kind.PERMISSION, "NoPermission"), Doubt("vCenter left vm-1 out of its answer")]
)
async def test_a_vm_that_the_user_may_not_see_any_more_may_hold_what_it_held(fault: CallError) -> None:
    found, sight = await after(Server(fault), Inventory((VM,), HOSTS), NONE, NONE)
    (vm,) = found.vms
    assert (vm.readable, power(vm, HOSTS)) == (False, Power.UNKNOWN)
    told = listing(found, PLACE, sight.known)
    assert (told.attachments, told.seen) == ((), frozenset())
    assert told.unread == (whole(found.vms, PLACE, sight.known),)
    assert "vCenter lists swarm01 no more and does not let the user read it" in told.unread[0]
    assert isinstance(guard(found.vms, VmId(UUID), 1), str)  # type: ignore[arg-type]


async def test_a_vm_that_can_be_read_by_itself_is_in_the_list_wherever_it_was_moved() -> None:
    moved = replace(VM, name="swarm01b", change_version="2")
    found, _ = await after(Server(Inventory((moved,), {})), Inventory((VM,), HOSTS), NONE, NONE)
    assert found == Inventory((moved,), HOSTS)


async def test_a_vm_that_is_listed_and_may_not_be_read_any_more_may_hold_what_it_held() -> None:
    denied = Vm("vm-1", "vm-1", unread=FORBIDDEN)
    found, sight = await after(Server(NONE), Inventory((VM,), HOSTS), Inventory((denied,), HOSTS))
    assert found.vms == (replace(VM, unread=FORBIDDEN, host=None),)
    assert "does not let the user read swarm01" in listing(found, PLACE, sight.known).unread[0]
    stranger, _ = await after(Server(NONE), Inventory((denied,), HOSTS))
    assert stranger.vms == (denied,)


async def test_a_vm_that_is_listed_no_more_and_shows_nothing_when_asked_is_out_of_sight() -> None:
    denied = Vm("vm-1", "vm-1", unread=FORBIDDEN)
    found, _ = await after(Server(Inventory((denied,))), Inventory((VM,), HOSTS), NONE)
    assert [(vm.name, vm.unread, vm.extra) for vm in found.vms] == [("swarm01", UNSEEN, PINNED)]


async def test_a_vm_that_is_gone_is_asked_for_once_and_forgotten() -> None:
    server = Server(Fault(Kind.GONE, "the VM vm-1 is gone"))
    found, sight = await after(server, Inventory((VM,), HOSTS), NONE, NONE)
    assert (found, server.asked, sight.known) == (NONE, ["vm-1"], {"vm-1"})


async def test_a_vm_that_is_seen_again_is_what_is_seen() -> None:
    server = Server(Fault(Kind.PERMISSION, "NoPermission"))
    found, _ = await after(server, Inventory((VM,), HOSTS), NONE, Inventory((VM,), HOSTS))
    assert (found.vms, server.asked) == ((VM,), ["vm-1"])


async def test_a_vm_that_went_out_of_sight_while_it_could_not_be_read_is_asked_for_too() -> None:
    server = Server(Fault(Kind.PERMISSION, "NoPermission"))
    blank = replace(VM, unread="no configuration", disks=(), extra={})
    found, _ = await after(server, Inventory((VM,), HOSTS), Inventory((blank,), HOSTS), NONE)
    assert [(vm.unread, vm.extra) for vm in found.vms] == [(UNSEEN, PINNED)]


async def test_no_answer_at_all_is_no_look() -> None:
    for error in (NotSent("no login"), Fault(Kind.NOT_AUTHENTICATED, "the session has ended")):
        with pytest.raises(CallError):
            await after(Server(error), Inventory((VM,), HOSTS), NONE)


async def test_a_vm_that_was_changed_since_the_last_look_is_asked_for_as_it_was_read_back() -> None:
    sight = Sight(Server(Fault(Kind.PERMISSION, "NoPermission")))
    sight.saw(VM)
    sight.saw(replace(VM, unread="no configuration", extra={}))
    (vm,) = (await sight.whole(NONE, PLACE, ())).vms
    assert (vm.unread, vm.extra) == (UNSEEN, PINNED)


@pytest.mark.parametrize(
    ("vm", "nodes", "asked"),
    [
        (VM, (), True),
        (replace(VM, disks=()), (), True),
        (replace(VM, extra={"reberth.vm": UUID}), (), True),
        (replace(VM, extra={}, disks=()), (UUID,), True),
        (replace(VM, extra={"reberth.vm": UUID}, disks=()), (), False),
        (replace(VM, extra={}, disks=()), (), False),
        (replace(VM, extra=PINNED | {"reberth.vm": UUID.replace("4", "5")}), (), False),
        (replace(VM, unread="no configuration"), (), False),
    ],
    ids=["pin and disk", "pin", "disk", "node", "has left the swarm", "a stranger's", "a clone", "never read"],
)
async def test_only_vms_that_may_have_or_get_a_disk_of_ours_are_asked_for(
    vm: Vm, nodes: tuple[str, ...], asked: bool
) -> None:
    server = Server(Fault(Kind.GONE, "gone"))
    await after(server, Inventory((vm,), HOSTS), NONE, nodes=nodes)
    assert server.asked == (["vm-1"] if asked else [])
