"""A worker that names a VM which is not its own, with its own valid certificate, over real TLS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from controller.api.status import status
from controller.model import FencePolicy, NodeAddresses, NodeId, Power, TaskId, VmId
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.messages import CreateVolume, Empty, Hello, MountGrant, Orders, Volume
from controller.settings import PolicySettings, Settings
from drivers.guests import GuestAddresses
from drivers.memory_storage import Reading
from tests.support.api_site import OPTIONS, Site, mount, site, sync, why
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA

STRANGE = VmId("vm-of-payroll")  # the hypervisor has it, and it is no machine of this swarm
ASKED = 5
OF_STRANGE, OF_NODE = "10.0.7.7", "10.0.0.3"
OTHERS = {  # what tells nothing about a stranger's VM: it is believed, and shown
    "nothing": ((), True),
    "a part": ((OF_STRANGE,), False),
    "another kind": (("2001:db8::7",), True),
    "what every machine has": (("127.0.0.1", "::1", "169.254.7.7", "fe80::7", "172.17.0.1", "172.18.0.1"), True),
}


def naming(place: Site, power: Power) -> Hello:
    place.cluster.storage.add_vm(STRANGE)
    place.cluster.storage.switch(STRANGE, power)
    return Hello(STRANGE, "boot-c-1", "host-c")


def stranger(place: Site, *known: str, whole: bool = True, seen: str = OF_NODE) -> Hello:
    """A running VM with tools in it, and a worker whom Swarm's managers see at another address."""
    lie = naming(place, Power.ON)
    place.cluster.storage.vms[STRANGE].addresses = GuestAddresses(known, whole)
    nodes = place.cluster.swarm.nodes
    nodes[NodeId("c")] = replace(nodes[NodeId("c")], address=seen)
    return lie


def fencing(addresses: NodeAddresses = NodeAddresses.KNOWN) -> Settings:
    return Settings(policy=PolicySettings(fence=FencePolicy.POWER_OFF, grace=0.0, node_addresses=addresses))


async def harm(place: Site) -> tuple[bool, bool]:
    """Whether that VM gets a disk, and is switched off, when the worker has a task and is down after that."""
    await place.wants("c")
    assert isinstance(await place.ask("c", endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)), Volume)
    assert isinstance(await place.ask("b", endpoints.SYNC, sync("b")), Orders)
    await place.ask("c", endpoints.SYNC, msgspec.structs.replace(sync("c"), vm=STRANGE))
    await place.ask("c", endpoints.MOUNT, msgspec.structs.replace(mount("c", wait=5.0), vm=STRANGE))
    given = any(STRANGE in vms for vms in place.cluster.storage.attached.values())
    place.cluster.down("c")
    await place.wants("b", TaskId("t2"))
    for _ in range(3):
        await place.look()
    return given, place.cluster.is_off(STRANGE)


def concerns(place: Site, node: str) -> str:
    told = status(place.controller.state, place.cluster.settings.planner_policy(None), "a")
    assert told is not None
    return " ".join(each for line in told.nodes if line.id == node for each in line.concerns)


def power_reads(place: Site) -> int:
    return sum(call.operation is Reading.POWER for call in place.cluster.storage.calls)


async def test_a_vm_that_is_off_is_no_speaker_s_and_its_node_gets_no_disk(ca: SwarmCa, tmp_path: Path) -> None:
    """A machine that speaks is on. The hypervisor is asked now and then, not each time that it is said."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        lie, before = naming(place, Power.OFF), power_reads(place)
        for _ in range(ASKED):
            code, text = why(await place.ask("c", endpoints.HELLO, lie))
            assert (code, "the hypervisor says that this VM is off" in text) == (Status.CONFLICT, True)
        assert power_reads(place) - before < ASKED
        await place.wants("c")
        asked = msgspec.structs.replace(mount("c"), vm=STRANGE)
        assert not isinstance(await place.ask("c", endpoints.MOUNT, asked), MountGrant)
        assert NodeId("c") not in place.cluster.store.nodes
        assert all(STRANGE not in vms for vms in place.cluster.storage.attached.values())


async def test_a_vm_that_a_worker_names_first_is_shown_where_people_look(ca: SwarmCa, tmp_path: Path) -> None:
    """It runs, so nothing contradicts the node, and nothing vouches for it either."""
    async with site(ca, tmp_path) as place:
        assert await place.ask("b", endpoints.HELLO, Hello("vm-b", "boot-b-1", "host-b")) == Empty()
        await place.granted("b")
        with capture_logs() as logs:
            assert await place.ask("c", endpoints.HELLO, naming(place, Power.ON)) == Empty()
        await place.look()
        assert [each["vm"] for each in logs if each["event"] == "vm.first_named"] == [STRANGE]
        told = concerns(place, "c")
        assert f"for the first time, that it is VM {STRANGE}" in told
        assert "the policy power-off may switch it off" in told
        assert "`vms` in the driver's settings bounds" in told
        assert "for the first time" not in concerns(place, "b")  # named while there was nothing to lose


async def test_a_vm_of_which_the_hypervisor_cannot_be_asked_is_believed(ca: SwarmCa, tmp_path: Path) -> None:
    """A swarm has to come up while vCenter is away: only what was read off is not believed."""
    async with site(ca, tmp_path) as place:
        lie = naming(place, Power.OFF)
        place.cluster.storage.vms[STRANGE].connected = False
        assert await place.ask("c", endpoints.HELLO, lie) == Empty()


async def test_a_running_strangers_vm_whose_address_is_known_is_not_the_workers(ca: SwarmCa, tmp_path: Path) -> None:
    """It gets no disk of its tasks and is not switched off; people are told which addresses, the worker is not."""
    async with site(ca, tmp_path, settings=fencing()) as place:
        lie = stranger(place, OF_STRANGE)
        await place.look()
        code, text = why(await place.ask("c", endpoints.HELLO, lie))
        assert (code, f"by other addresses than {OF_NODE}" in text) == (Status.CONFLICT, True)
        assert OF_STRANGE not in text
        assert f"knows that VM by {OF_STRANGE}, " in place.controller.state.refused[NodeId("c")]
        assert await harm(place) == (False, False)
        assert NodeId("c") not in place.cluster.store.nodes


@pytest.mark.parametrize("known", OTHERS)
async def test_what_proves_nothing_refuses_nobody_and_is_shown(ca: SwarmCa, tmp_path: Path, known: str) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        lie = stranger(place, *OTHERS[known][0], whole=OTHERS[known][1])
        await place.look()
        assert await place.ask("c", endpoints.HELLO, lie) == Empty()
        await place.look()
        assert "for the first time" in concerns(place, "c")


@pytest.mark.parametrize("seen", ["0.0.0.0", "127.0.0.1", "::", "172.17.0.1", "[fe80::1]"])
async def test_an_address_that_many_machines_have_refuses_nobody(ca: SwarmCa, tmp_path: Path, seen: str) -> None:
    async with site(ca, tmp_path) as place:
        lie = stranger(place, OF_STRANGE, seen=seen)
        await place.look()
        assert await place.ask("c", endpoints.HELLO, lie) == Empty()


async def test_a_node_that_keeps_its_address_from_swarm_waits_until_that_is_known(ca: SwarmCa, tmp_path: Path) -> None:
    """Who has a token is listed before its agent reports: it may not name a VM from nowhere, and report later."""
    async with site(ca, tmp_path, settings=fencing()) as place:
        lie = stranger(place, OF_STRANGE, seen="")
        await place.look()
        code, text = why(await place.ask("c", endpoints.HELLO, lie))
        assert (code, "have not said yet from which address" in text) == (Status.UNAVAILABLE, True)
        assert await harm(place) == (False, False)
        stranger(place, OF_STRANGE, seen=OF_STRANGE)
        await place.look()
        assert await place.ask("c", endpoints.HELLO, lie) == Empty()


async def test_a_vm_at_whose_address_its_node_is_seen_is_believed_and_not_shown(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        word = stranger(place, "172.17.0.1", OF_NODE)
        await place.look()
        assert await place.ask("c", endpoints.HELLO, word) == Empty()
        await place.look()
        assert "for the first time" not in concerns(place, "c")


async def test_with_the_setting_addresses_are_not_asked_for_and_harm_may_be_done(ca: SwarmCa, tmp_path: Path) -> None:
    """So whoever sets it has to name the swarm's VMs in `vms`."""
    async with site(ca, tmp_path, settings=fencing(NodeAddresses.ANY)) as place:
        lie = stranger(place, OF_STRANGE)
        await place.look()
        assert await place.ask("c", endpoints.HELLO, lie) == Empty()
        assert not [each for each in place.cluster.storage.calls if each.operation is Reading.ADDRESSES]
        assert await harm(place) == (True, True)
