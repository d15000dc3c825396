"""What the doctor reads of a real swarm of one manager, and what it then finds."""

from __future__ import annotations

import aiodocker

from controller.doctor.checks import CHECKS
from controller.doctor.findings import Facts, examine
from tests.support.dockerd import OneNodeSwarm
from watchers.facts_reader import FactsReader


async def codes(docker: aiodocker.Docker) -> set[str]:
    return {each.code for each in examine(Facts(await FactsReader(docker).read(), None), CHECKS)}


async def test_one_manager_without_reberth_is_seen_as_just_that(docker: aiodocker.Docker) -> None:
    assert {"managers-one", "no-controller-service", "no-node-service", "plugin-missing", "node-silent"} <= await codes(
        docker
    )


async def test_a_service_s_mistakes_are_read_from_docker_s_own_words(docker: aiodocker.Docker) -> None:
    mount = {"Type": "volume", "Source": "v", "Target": "/d", "VolumeOptions": {"DriverConfig": {"Name": "reberth"}}}
    made = await docker.services.create(
        {
            "ContainerSpec": {"Image": "nowhere.invalid/x:1", "Mounts": [mount]},
            "RestartPolicy": {"Condition": "any", "MaxAttempts": 3, "Delay": 60_000_000_000},
        },
        name="db",
        mode={"Replicated": {"Replicas": 2}},
        update_config={"Order": "start-first"},
    )
    try:
        found = await codes(docker)
    finally:
        await docker.services.delete(made["ID"])
    assert {"service-replicas", "update-start-first", "max-attempts", "restart-delay", "constraint-missing"} <= found


async def test_settings_of_the_swarm_itself_are_seen(swarm: OneNodeSwarm, docker: aiodocker.Docker) -> None:
    client = swarm.client()
    try:
        client.swarm.update(dispatcher_heartbeat_period=2_000_000_000, autolock_managers=True)
        assert {"heartbeat-short", "autolock"} <= await codes(docker)
    finally:
        client.swarm.update(dispatcher_heartbeat_period=5_000_000_000, autolock_managers=False)
        client.close()
