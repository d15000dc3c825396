"""A Mount over real TLS: who gets a grant, and what whoever gets none is told."""

from __future__ import annotations

from pathlib import Path

from controller.protocol import endpoints
from controller.protocol.answers import Status
from controller.protocol.messages import (
    CreateVolume,
    MountGrant,
    Orders,
    VolumeReport,
)
from tests.support.api_site import OPTIONS, TASK, mount, site, sync, why
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA


async def test_a_worker_gets_the_volume_of_the_task_that_swarm_placed_there(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        grant = await place.granted()
        record = place.cluster.record()
        assert grant == MountGrant(
            volume=DATA,
            key=record.key,
            task=TASK,
            epoch=1,
            serial=record.serial,
            by_id=(f"reberth-{record.disk}",),
            size_bytes=2**30,
            fstype="ext4",
            fs_uuid=record.fs_uuid,
            may_format=True,
            void=record.serial - 1,
        )


async def test_the_report_that_a_disk_is_formatted_is_stored_before_it_is_answered(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        grant = await place.granted()
        report = VolumeReport(DATA, "mounting", grant.serial, formatted=True)
        assert isinstance(await place.ask("b", endpoints.SYNC, sync("b", report)), Orders)
        assert place.cluster.record().formatted
        again = await place.ask("b", endpoints.MOUNT, mount("b", wait=5.0))
        assert isinstance(again, MountGrant)
        assert not again.may_format


async def test_a_worker_does_not_get_another_nodes_volume(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted()
        status, told = why(await place.ask("c", endpoints.MOUNT, mount("c", wait=10.0)))
        assert status == Status.FORBIDDEN
        assert "wants volume data on node host-b (service service-data), not on host-c" in told


async def test_a_container_outside_of_swarm_is_told_so(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.ask("a", endpoints.CREATE_VOLUME, CreateVolume(DATA, OPTIONS))
        status, told = why(await place.ask("b", endpoints.MOUNT, mount("b", wait=10.0)))
        assert (status, "not for `docker run`" in told) == (Status.FORBIDDEN, True)
        assert "`docker volume rm data` removes it again" in told, "Docker made a disk for it"


async def test_whoever_asks_beside_the_container_that_runs_is_told_so_at_once(ca: SwarmCa, tmp_path: Path) -> None:
    """`docker run` on the node that has the volume: no task of Swarm's mounts it there a second time."""
    async with site(ca, tmp_path) as place:
        grant = await place.granted("b")
        await place.ask(
            "b", endpoints.SYNC, sync("b", VolumeReport(DATA, "mounted", grant.serial, users=(grant.serial,)))
        )
        place.cluster.swarm.started.add(TASK)
        await place.look()
        status, told = why(await place.ask("b", endpoints.MOUNT, mount("b", wait=10.0)))
        assert status == Status.FORBIDDEN, told
        assert "the container of service service-data has volume data" in told
        assert "`docker exec`" in told
