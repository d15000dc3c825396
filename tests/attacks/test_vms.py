"""A worker that names a VM which is not its own, with its own valid certificate, over real TLS."""

from __future__ import annotations

from pathlib import Path

import msgspec
from structlog.testing import capture_logs

from controller.api.status import status
from controller.model import NodeId, Power, VmId
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.messages import Empty, Hello, MountGrant
from drivers.memory_storage import Reading
from tests.support.api_site import Site, mount, site, why
from tests.support.certificates import SwarmCa

STRANGE = VmId("vm-of-payroll")  # the hypervisor has it, and it is no machine of this swarm
ASKED = 5


def naming(place: Site, power: Power) -> Hello:
    place.cluster.storage.add_vm(STRANGE)
    place.cluster.storage.switch(STRANGE, power)
    return Hello(STRANGE, "boot-c-1", "host-c")


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
