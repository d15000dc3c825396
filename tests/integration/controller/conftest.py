"""A real dockerd that is a swarm of one node, for each module of tests; each test leaves it as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiodocker
import pytest

from tests.support.dockerd import OneNodeSwarm, one_node_swarm


@pytest.fixture(scope="module")
def swarm() -> Iterator[OneNodeSwarm]:
    with one_node_swarm("manager-1") as found:
        yield found


@pytest.fixture
async def docker(swarm: OneNodeSwarm) -> AsyncIterator[aiodocker.Docker]:
    client = aiodocker.Docker(url=swarm.url)
    yield client
    for service in await client.services.list():
        await client.services.delete(service["ID"])
    for config in await client.configs.list():
        await client.configs.delete(config["ID"])
    await client.close()
