"""What is answered to `docker volume create`, `inspect` and `ls`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.model import DriverOption, NodeId, Phase, TaskId, VolumeName
from controller.protocol import endpoints
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import (
    CreateVolume,
    Details,
    Empty,
    GetVolume,
    KnownNames,
    Names,
    RemoveVolume,
    Volume,
    Volumes,
)
from tests.support.api_site import OPTIONS, TASK, site, why
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA, FakeCluster


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "driver_opts has no size"),
        ({"size": "lots"}, "is not a size"),
        ({"size": "1GiB", "fstype": "ntfs"}, "fstype 'ntfs' is not supported"),
        ({"sise": "1GiB"}, "did you mean 'size'"),
        ({"size": "1GiB", "diskformat": "thin"}, "this storage driver has no option diskformat: leave it out"),
    ],
)
async def test_bad_options_are_refused_with_the_cure(
    ca: SwarmCa, tmp_path: Path, options: dict[str, str], message: str
) -> None:
    async with site(ca, tmp_path) as place:
        status, told = why(await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("data", options)))
        assert status == Status.BAD
        assert message in told
        assert place.cluster.store.volumes == {}


async def test_an_existing_volume_answers_the_same_options_and_refuses_others(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        first = await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("data", OPTIONS))
        again = await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("data", OPTIONS))
        assert isinstance(first, Volume)
        assert isinstance(again, Volume)
        assert (again.name, again.size_bytes) == (first.name, first.size_bytes)
        status, told = why(await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("data", {"size": "2GiB"})))
        assert status == Status.CONFLICT
        assert "size is 1073741824 bytes and not 2147483648 bytes" in told


async def test_a_volume_that_nobody_made_is_missing(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        assert why(await place.ask("b", endpoints.GET_VOLUME, GetVolume("none")))[0] == Status.MISSING
        assert await place.ask("b", endpoints.LIST_VOLUMES, Empty()) == Volumes()


async def test_a_worker_makes_what_its_task_mounts_with_the_options_of_the_service_and_nothing_else(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """Neither 60 TiB nor a copy of somebody's data can be had by a worker that lies about its service."""
    async with site(ca, tmp_path) as place:
        status, told = why(await place.ask("b", endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)))
        assert (status, "no Swarm task on node host-b mounts volume data" in told) == (Status.FORBIDDEN, True)
        await place.wants("b")
        for lie in ({"size": "60TiB"}, {"clone-from": "secrets"}, {**OPTIONS, "policy": "hold"}, {}):
            status, told = why(await place.ask("b", endpoints.CREATE_VOLUME, CreateVolume(DATA, lie)))
            assert (status, "does not ask for the options that node host-b says" in told) == (Status.FORBIDDEN, True)
        assert place.cluster.store.volumes == {}
        assert isinstance(await place.ask("b", endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS)), Volume)


async def test_a_worker_learns_of_other_nodes_volumes_the_names(ca: SwarmCa, tmp_path: Path) -> None:
    """Not MISSING: Docker would make a local volume of that name in its place."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        mine = await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA))
        theirs = await place.ask("c", endpoints.GET_VOLUME, GetVolume(DATA))
        listed = await place.ask("c", endpoints.LIST_VOLUMES, Empty())
        assert isinstance(mine, Volume)
        assert mine.size_bytes == 2**30
        assert theirs == Volume(DATA, 0, "", "managers are told more: `reberth explain`")
        assert listed == Volumes((theirs,))


async def test_a_volume_is_removed_by_the_worker_that_has_it_or_a_manager(ca: SwarmCa, tmp_path: Path) -> None:
    """Whoever is root where the disk is could wipe it anyway; another worker can not."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        del place.cluster.swarm.wants[DATA]
        await place.look()
        status, told = why(await place.ask("c", endpoints.REMOVE_VOLUME, RemoveVolume(DATA)))
        assert (status, "volume data is not on node host-c" in told) == (Status.FORBIDDEN, True)
        assert place.cluster.record().phase is Phase.READY
        assert await place.ask("b", endpoints.REMOVE_VOLUME, RemoveVolume(DATA)) == Empty()


async def test_a_removed_volume_has_its_name_as_long_as_a_task_of_that_node_mounts_it(
    ca: SwarmCa, tmp_path: Path
) -> None:
    """An external one: after a no, Docker would start the container on an empty local volume."""
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        removed = replace(place.cluster.record(), phase=Phase.DELETING, grants=(), delete_at=1e12)
        place.cluster.store.volumes[DATA] = removed
        await place.look()
        assert isinstance(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)), Volume)
        assert why(await place.ask("c", endpoints.GET_VOLUME, GetVolume(DATA)))[0] == Status.MISSING
        place.cluster.swarm.wants[DATA] = (TASK, NodeId("c"))  # it has not been looked at since
        assert isinstance(await place.ask("c", endpoints.GET_VOLUME, GetVolume(DATA)), Volume)
        del place.cluster.swarm.wants[DATA]
        await place.look()
        assert why(await place.ask("b", endpoints.GET_VOLUME, GetVolume(DATA)))[0] == Status.MISSING


async def test_every_node_learns_all_names_and_nothing_else(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        assert isinstance(await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("shop", OPTIONS)), Volume)
        told = await place.ask("c", endpoints.NAMES, KnownNames(wait=0.0))
        assert isinstance(told, Names)
        assert (told.names, told.unreadable) == (("data", "shop"), ())
        again = await place.ask("c", endpoints.NAMES, KnownNames(told.epoch, told.count, wait=0.0))
        assert again == Names(told.epoch, told.count)


async def test_who_may_see_a_volume_is_told_its_details_and_others_that_it_exists(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted("b")
        theirs = await place.ask("c", endpoints.INSPECT_VOLUME, GetVolume(DATA))
        assert theirs == Details(DATA, why="managers are told more: `reberth explain`")
        for node in ("a", "b"):
            told = await place.ask(node, endpoints.INSPECT_VOLUME, GetVolume(DATA))
            assert isinstance(told, Details)
            assert (told.node, told.size_bytes, told.fstype) == ("host-b", 2**30, "ext4")
            assert (told.disk, told.copy_of) == (str(place.cluster.record().disk), "")
            assert told.created > 0
            assert told.state
        assert why(await place.ask("a", endpoints.INSPECT_VOLUME, GetVolume("none")))[0] == Status.MISSING


async def test_a_volume_is_made_where_its_name_says_and_answers_to_the_same_options_again() -> None:
    cluster = FakeCluster()
    cluster.options = (DriverOption("datastore", ("SAN1", "SAN2"), "SAN1", "where"),)
    requests = cluster.controller().volume_requests
    for _ in range(2):
        assert isinstance(await requests.create(CreateVolume("data@SAN2", OPTIONS)), Volume)
    assert cluster.record(VolumeName("data@SAN2")).spec.for_driver == (("datastore", "SAN2"),)
    refused = await requests.create(CreateVolume("data@SAN3", OPTIONS))
    assert isinstance(refused, Rejection)
    assert "use SAN1 or SAN2" in refused.why


async def test_no_disk_is_made_for_one_task_alone(ca: SwarmCa, tmp_path: Path) -> None:
    """A name with the ID of its task: each task that takes its place would begin empty, and leave one more disk."""
    task = TaskId("8a1ubyz2mdq5vs7wcz5dklhnt")
    name = VolumeName(f"cache-{task}")
    async with site(ca, tmp_path) as place:
        await place.look()
        place.cluster.swarm.wants[name] = (task, NodeId("a"))  # it has not been looked at since
        status, told = why(await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume(name, OPTIONS)))
        assert (status, "use a name without .Task.ID and .Task.Name" in told) == (Status.BAD, True)
        assert "{{.Task.Slot}}" in told
        assert place.cluster.store.volumes == {}
        odd = await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume(f"as-docker-expands-it-{task}", OPTIONS))
        assert why(odd)[0] == Status.BAD
        other = await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("x" * 25, OPTIONS))
        assert isinstance(other, Volume)


async def test_a_name_that_looks_like_another_gets_no_volume(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        status, told = why(await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume("data\u200b", OPTIONS)))
        assert (status, "ZERO WIDTH SPACE" in told) == (Status.BAD, True)
