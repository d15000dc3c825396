"""A name that no record has, and a disk of the storage bears: Docker is told yes, and whoever mounts what to do."""

from __future__ import annotations

from pathlib import Path

from controller.api.status import explain, status
from controller.model import DiskId, Policy
from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.messages import GetVolume, KnownNames, Names, Volume
from controller.protocol.operator import Adopt, Told
from controller.volumes.naming import disk_key, volume_key
from drivers.memory_storage import Fault, Reading
from tests.support.api_site import Site, mount, site, why
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA

KEY = disk_key(volume_key(DATA), "an older swarm's")


def old_disk(place: Site) -> None:
    place.cluster.storage.create(DiskId(f"memory-{KEY}"), 1 << 30)


async def test_an_external_name_whose_disk_no_record_knows_exists_for_docker_and_its_mount_names_the_cure(
    ca: SwarmCa, tmp_path: Path
) -> None:
    async with site(ca, tmp_path) as place:
        old_disk(place)
        assert isinstance(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)), Volume)
        code, told = why(await place.ask("b", endpoints.MOUNT, mount("b", wait=5.0)))
        assert (code, f"`reberth adopt {DATA} --disk {KEY}" in told) == (Status.CONFLICT, True), told
        assert place.cluster.store.volumes == {}, "nothing was made"


async def test_a_mount_of_such_a_name_is_not_told_that_there_is_no_volume_also_where_docker_did_not_ask(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """A gate that keeps the old swarm's list answers Docker by itself, and forgets a name that is missing."""
    async with site(ca, tmp_path) as place:
        old_disk(place)
        assert why(await place.ask("b", endpoints.MOUNT, mount("b", wait=5.0)))[0] == Status.CONFLICT


async def test_every_gate_knows_such_a_name_and_explain_and_status_until_it_is_adopted(
    ca: SwarmCa, tmp_path: Path
) -> None:
    async with site(ca, tmp_path) as place:
        old_disk(place)
        await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA))
        listed = await place.ask("c", endpoints.NAMES, KnownNames(wait=0.0))
        assert isinstance(listed, Names)
        assert listed.names == (DATA,)
        state, policy = place.controller.state, Policy()
        found, seen = explain(state, policy, DATA), status(state, policy, "a")
        assert found is not None
        assert seen is not None
        assert (found.state, f"`reberth adopt {DATA} --disk {KEY}" in found.cure) == ("refused", True)
        assert [(each.volume, each.state) for each in seen.volumes] == [(DATA, "refused")]

        adopted = await place.controller.adoption_requests.adopt(Adopt(DATA, KEY, size="1GiB"))
        assert isinstance(adopted, Told), adopted
        assert state.unrecorded == {}
        assert isinstance(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)), Volume)


async def test_what_a_service_asks_for_that_names_the_driver_is_recorded_although_docker_makes_no_volume_then(
    ca: SwarmCa, tmp_path: Path
) -> None:
    async with site(ca, tmp_path) as place:
        old_disk(place)
        await place.wants("b")
        assert isinstance(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)), Volume)
        assert place.cluster.record().spec.size_bytes == 1 << 30


async def test_a_disk_that_was_deleted_with_its_record_is_none_also_while_the_last_list_has_it(
    ca: SwarmCa, tmp_path: Path
) -> None:
    async with site(ca, tmp_path) as place:
        old_disk(place)
        await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA))
        place.cluster.storage.disks.clear()
        assert why(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)))[0] == Status.MISSING
        assert place.controller.state.unrecorded == {}


async def test_while_the_storage_does_not_answer_a_mount_is_not_told_that_there_is_no_volume(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """The gate would forget the name, and Docker make a local volume of it."""
    async with site(ca, tmp_path) as place:
        place.cluster.storage.fail(Reading.KEYS, *[Fault.UNREACHABLE] * 9)
        assert why(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)))[0] == Status.UNAVAILABLE
        assert why(await place.ask("b", endpoints.MOUNT, mount("b", wait=5.0)))[0] == Status.UNAVAILABLE
