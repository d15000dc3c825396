"""Records that nobody sweeps away: on a real dockerd, since it is Swarm that refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiodocker

from controller.model import BootId, Epoch, NodeId, Spec, VmId, VolumeName, VolumeRecord
from controller.records.base import Leadership, NodeRecord, RecordsUnavailable
from controller.records.keepers import LABEL, MOST
from controller.records.swarm import SwarmRecords
from controller.volumes.naming import volume_key


def volume(name: str) -> VolumeRecord:
    return VolumeRecord(VolumeName(name), volume_key(VolumeName(name)), Spec(1 << 30), "uuid")


async def swept(docker: aiodocker.Docker) -> int:
    """`docker config rm $(docker config ls -q)`: how many it took."""
    took = 0
    for config in await docker.configs.list():
        try:
            await docker.configs.delete(config["ID"])
        except aiodocker.DockerError as error:
            assert "in use" in error.message  # noqa: PT017 -- the others are what is asked for
        else:
            took += 1
    return took


async def test_a_sweep_of_unused_configs_takes_no_record(docker: aiodocker.Docker) -> None:
    records = SwarmRecords(docker)
    await records.create_volume(volume("pgdata"))
    await records.put_node(NodeRecord(NodeId("n1"), VmId("vm-1"), BootId("b"), "host-1"))
    await records.replace_leadership(Leadership(Epoch(41), NodeId("n1"), "a:1"))
    await docker.configs.create("somebody.elses", "text")
    await records.keep()

    assert await swept(docker) == 1
    again = SwarmRecords(docker)
    assert list(await again.volumes()) == ["pgdata"]
    assert list(await again.nodes()) == ["n1"]
    assert (await again.leadership() or Leadership(Epoch(0), NodeId(""), "")).epoch == 41


async def test_records_are_written_and_removed_as_before(docker: aiodocker.Docker) -> None:
    records = SwarmRecords(docker)
    made = await records.create_volume(volume("pgdata"))
    assert isinstance(made, VolumeRecord)
    await records.keep()
    changed = await records.replace_volume(replace(made, service="db"))
    assert isinstance(changed, VolumeRecord)
    await records.delete_volume(changed)

    assert await records.volumes() == {}
    await records.keep()
    (keeper,) = await docker.services.list(filters={"label": LABEL})
    assert not keeper["Spec"]["TaskTemplate"]["ContainerSpec"].get("Configs")


async def test_a_keeper_removed_by_hand_is_made_again_and_one_scaled_up_starts_nothing(
    docker: aiodocker.Docker,
) -> None:
    records = SwarmRecords(docker)
    await records.create_volume(volume("pgdata"))
    await records.keep()
    (keeper,) = await docker.services.list(filters={"label": LABEL})
    await docker.services.delete(keeper["ID"])
    await records.keep()
    assert await swept(docker) == 0

    (keeper,) = await docker.services.list(filters={"label": LABEL})
    spec = keeper["Spec"] | {"Mode": {"Replicated": {"Replicas": 1}}}
    version = {"version": str(keeper["Version"]["Index"])}
    await docker._query_json(f"services/{keeper['ID']}/update", method="POST", params=version, data=spec)
    tasks = await docker.tasks.list(filters={"service": keeper["ID"]})
    assert [each for each in tasks if each["Status"]["State"] in {"preparing", "starting", "running"}] == []


async def test_more_records_than_one_service_can_name_are_kept_by_several(docker: aiodocker.Docker) -> None:
    records = SwarmRecords(docker)
    for number in range(MOST + 1):
        await records.create_volume(volume(f"v{number}"))
    await records.keep()

    assert len(await docker.services.list(filters={"label": LABEL})) == 2
    assert await swept(docker) == 0


async def test_records_that_are_kept_and_removed_at_once_are_in_nobody_s_way(docker: aiodocker.Docker) -> None:
    """A stack with several volumes makes looks, and so keepers, one after the other while the last one still writes."""
    records = SwarmRecords(docker)
    made = [await records.create_volume(volume(f"v{number}")) for number in range(4)]
    await asyncio.gather(*(records.keep() for _ in range(4)))
    (keeper,) = await docker.services.list(filters={"label": LABEL})
    assert len(keeper["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]) == 4

    await asyncio.gather(*(records.delete_volume(each) for each in made if isinstance(each, VolumeRecord)))
    assert await records.volumes() == {}


async def test_a_keeper_that_another_controller_changes_in_that_moment_is_no_bug(docker: aiodocker.Docker) -> None:
    """Whoever loses says so, and tries again; nothing else may come out of it."""
    every = [SwarmRecords(docker) for _ in range(3)]
    made = [await every[0].create_volume(volume(f"v{number}")) for number in range(3)]

    for _ in range(5):
        ends = await asyncio.gather(*(each.keep() for each in every), return_exceptions=True)
        assert [end for end in ends if end is not None and not isinstance(end, RecordsUnavailable)] == []
    while ends := [
        end
        for end in await asyncio.gather(
            *(each.delete_volume(one) for each, one in zip(every, made, strict=True) if isinstance(one, VolumeRecord)),
            return_exceptions=True,
        )
        if end is not None
    ]:
        assert all(isinstance(end, RecordsUnavailable) for end in ends), ends
    assert await every[0].volumes() == {}
