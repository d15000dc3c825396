"""A gate that lies about what it has, with its own valid certificate, over real TLS: nobody else pays for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from structlog.testing import capture_logs

from controller.api.node_registry import BOOT_SECONDS, BOOTS_AT_ONCE
from controller.api.server import COMPLAINT_SECONDS, COMPLAINTS_AT_ONCE
from controller.model import MountState, Phase, VmId, VolumeName
from controller.protocol import endpoints
from controller.protocol.bounds import MOST_VOLUMES
from controller.protocol.messages import MountGrant, Orders, Release, RemoveVolume, VolumeReport
from controller.records.memory import Call
from tests.support.api_site import mount, site, sync
from tests.support.battlefield import goes_on
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA


async def test_ever_higher_epochs_of_one_gate_change_the_leader_once_and_hold_up_nobody(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """Each would be followed by a new epoch, and every volume's next step would wait for that."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        before = place.lead.epoch or 0
        for step in range(1, 13):
            lie = VolumeReport("never-heard-of", "unmounted", 1, epoch=(place.lead.epoch or 0) + step)
            assert isinstance(await place.ask("c", endpoints.SYNC, sync("c", lie)), Orders)
            await place.look()
        assert place.lead.epoch is not None
        assert place.lead.epoch <= before + 3
        assert await goes_on(place)


async def test_a_gate_that_names_thousands_of_volumes_is_told_of_none_and_answered_no_slower(
    ca: SwarmCa, tmp_path: Path
) -> None:
    invented = [VolumeReport(f"v{number}", "mounted", 7, problem="x" * 100) for number in range(MOST_VOLUMES)]
    async with site(ca, tmp_path) as place, asyncio.timeout(120):
        await place.granted("b")
        answer = await place.ask("c", endpoints.SYNC, sync("c", *invented))
        assert isinstance(answer, Orders)
        await place.look()
        assert set(place.cluster.store.volumes) == {DATA}
        assert await goes_on(place)
        too_many = [*invented, VolumeReport("one-more", "mounted", 7)]
        assert isinstance(await place.ask("c", endpoints.SYNC, sync("c", *too_many)), tuple)


async def test_a_gate_that_says_it_has_another_nodes_volume_gets_no_part_of_it(ca: SwarmCa, tmp_path: Path) -> None:
    """Mounted, unmounted up to a high serial, or mounted under its grant: the volume stays where its task is."""
    async with site(ca, tmp_path) as place:
        granted = await place.granted("b")
        grants = place.cluster.record().grants
        for lie in (
            VolumeReport(DATA, "mounted", granted.serial, mounts=1, users=(granted.serial,)),
            VolumeReport(DATA, "mounted", granted.serial + 1000, mounts=3, users=(0, 1, 2)),
            VolumeReport(DATA, "unmounted", granted.serial + 1000, floor=granted.serial + 1000),
        ):
            answer = await place.ask("c", endpoints.SYNC, sync("c", lie))
            assert isinstance(answer, Orders)
            assert all(isinstance(order, Release) for order in answer.releases)
            await place.look()
            assert place.cluster.record().grants == grants
            assert not isinstance(await place.ask("c", endpoints.MOUNT, mount("c")), MountGrant)
        assert await goes_on(place)


async def test_a_worker_cannot_remove_a_volume_in_the_moment_in_which_no_service_names_it(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """`docker stack rm` and `deploy`: a worker that never had it, says so or not, waits for that moment in vain."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        place.cluster.swarm.wants.clear()
        await place.look()
        for lie in ((), (VolumeReport(DATA, "mounted", 9),)):
            assert isinstance(await place.ask("c", endpoints.SYNC, sync("c", *lie)), Orders)
            await place.look()
            assert isinstance(await place.ask("c", endpoints.REMOVE_VOLUME, RemoveVolume(DATA)), tuple)
        assert place.cluster.record().phase is Phase.READY


async def test_boot_after_boot_of_one_worker_costs_few_writes_and_no_other_node_waits(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """Each is a write in Swarm's Raft; whoever invents them gets one in ten seconds, and the victim's go on."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        begun, taken = asyncio.get_running_loop().time(), 0
        for number in range(40):
            answer = await place.ask("c", endpoints.SYNC, sync("c", boot=f"invented-{number}"))
            taken += isinstance(answer, Orders)
        most = BOOTS_AT_ONCE + (asyncio.get_running_loop().time() - begun) / BOOT_SECONDS
        assert 1 <= taken <= most
        writes = [call for call in place.controller.records.calls if call is Call.PUT_NODE]
        assert len(writes) <= most + 1  # and that of b
        assert place.controller.state.boots_refused == 40 - taken
        assert await goes_on(place)


async def test_ever_new_nonsense_of_one_worker_gets_few_lines_in_the_log(ca: SwarmCa, tmp_path: Path) -> None:
    """A manager's disk, with the swarm's Raft on it, would be full within a day."""
    async with site(ca, tmp_path) as place:
        begun = asyncio.get_running_loop().time()
        with capture_logs() as logs:
            for number in range(60):
                nonsense = f'{{"vm":"vm-c","{number}":1}}'.encode()
                assert isinstance(await place.send("c", endpoints.SYNC, nonsense), tuple)
            assert isinstance(await place.send("b", endpoints.SYNC, b"other"), tuple)
        seconds = asyncio.get_running_loop().time() - begun
        lines = [each["node"] for each in logs if each["event"] == "peer.refused"]
        assert lines.count("c") <= COMPLAINTS_AT_ONCE + seconds / COMPLAINT_SECONDS
        assert lines.count("b") == 1


async def test_what_is_no_message_is_its_senders_error(ca: SwarmCa, tmp_path: Path) -> None:
    """Deep nesting, numbers without end, halves of letters, the wrong kind: neither the loop nor the API ends."""
    good = msgspec.json.encode(sync("c"))
    bad = (
        b"[" * 100_000,
        b'{"vm":' * 20_000,
        b'{"vm":"\xff\xfe"}',
        b'{"vm":"\\ud800"}',
        good.replace(b'"wait":0.0', b'"wait":1e999'),
        good.replace(b'"wait":0.0', b'"wait":-1'),
        good[:-1] + b',"volumes":[{"name":"../../x","state":"mounted","serial":-1}]}',
        good + good,
        b"null",
        b"",
    )
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        for body in bad:
            assert isinstance(await place.send("c", endpoints.SYNC, body), tuple), body[:60]
        assert await goes_on(place)


async def test_a_gate_that_refuses_whatever_it_is_granted_costs_no_write_for_each_look(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """One word of a far floor: each grant is below it, and the next one would follow as fast as the managers write."""
    async with site(ca, tmp_path) as place:
        first = await place.granted("b")
        calls = place.controller.records.calls
        for floor in (first.serial + 1000, 2**63 - 1):
            lie = VolumeReport(DATA, "mounting", first.serial, floor=floor)
            before = calls.count(Call.REPLACE_VOLUME)
            assert isinstance(await place.ask("b", endpoints.SYNC, sync("b", lie)), Orders)
            await asyncio.sleep(2)
            assert calls.count(Call.REPLACE_VOLUME) - before <= 3


async def test_numbers_that_nobody_gave_are_a_word_about_their_volume_alone(ca: SwarmCa, tmp_path: Path) -> None:
    """A gate whose state is damaged: that volume counts as in use there, and what it says of others counts on."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        lies = [
            VolumeReport(DATA, "unmounted", 2**63 - 1),
            VolumeReport(DATA, "mounted", 1, mounts=1, users=(1,), floor=2**63 - 1),
        ]
        for lie in lies:
            answer = await place.ask("b", endpoints.SYNC, sync("b", lie, VolumeReport("other", "mounted", 7, mounts=1)))
            assert isinstance(answer, Orders)
            heard = place.controller.state.gates.newest(VmId("vm-b"))
            assert heard is not None
            said = heard.volumes[DATA]
            assert (said.state, said.serial, said.users, said.floor) == (MountState.MOUNTED, 0, (0,), 0)
            assert "far above any that was given" in (said.problem or "")
            assert heard.volumes[VolumeName("other")].serial == 7
            assert not isinstance(await place.ask("b", endpoints.MOUNT, mount("b")), MountGrant)
