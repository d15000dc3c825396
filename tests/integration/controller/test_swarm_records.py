"""Records and identity on a real dockerd: what only Swarm itself can show."""

from __future__ import annotations

import time
from pathlib import Path

import aiodocker
import pytest

from controller.model import BootId, Epoch, NodeId, Spec, VmId, VolumeName, VolumeRecord
from controller.protocol.identity import IdentityError, Role, SwarmIdentity
from controller.records.base import Leadership, NodeRecord, RecordsUnavailable, Stale, UnreadableRecord
from controller.records.swarm import SwarmRecords
from controller.volumes.naming import volume_key
from tests.support.dockerd import OneNodeSwarm


async def test_a_record_of_a_newer_form_is_neither_read_nor_overwritten(docker: aiodocker.Docker) -> None:
    labels = {"reberth.kind": "leader", "reberth.state": '{"schema":2,"epoch":5}'}
    made = await docker.configs.create("reberth.leader", '{"schema":2}', labels=labels)

    with pytest.raises(UnreadableRecord, match=r"schema 2, this controller knows 1.*version of Reberth"):
        await SwarmRecords(docker).leadership()
    await SwarmRecords(docker).replace_leadership(Leadership(Epoch(1), NodeId("n1"), "a:1"))
    assert (await docker.configs.inspect(made["ID"]))["Spec"]["Labels"] == labels


async def test_a_volume_record_with_a_field_from_the_future_holds_only_its_own_volume(docker: aiodocker.Docker) -> None:
    """It is not read, not overwritten, and not taken for one that does not exist; the others are as ever."""
    name, other = VolumeName("pgdata"), VolumeName("web")
    records = SwarmRecords(docker)
    await records.create_volume(VolumeRecord(name, volume_key(name), Spec(1 << 30), "uuid"))
    (config,) = await docker.configs.list()
    labels = config["Spec"]["Labels"]
    labels["reberth.state"] = labels["reberth.state"].replace("{", '{"colour":"red",', 1)
    await docker.configs.update(config["ID"], config["Version"]["Index"], labels=labels)
    await records.create_volume(VolumeRecord(other, volume_key(other), Spec(1 << 30), "uuid"))

    found = await SwarmRecords(docker).volumes()
    assert list(found) == [other]
    assert found.get(VolumeName("nothing")) is None
    with pytest.raises(UnreadableRecord, match=r"reberth\.volume\.pgdata.*colour"):
        found.get(name)
    again = await SwarmRecords(docker).create_volume(VolumeRecord(name, volume_key(name), Spec(1 << 30), "anew"))
    assert isinstance(again, Stale)


async def test_an_unreadable_node_record_is_as_none_and_the_others_are_read(docker: aiodocker.Docker) -> None:
    records = SwarmRecords(docker)
    for name in ("n1", "n2"):
        await records.put_node(NodeRecord(NodeId(name), VmId(f"vm-{name}"), BootId("b"), name))
    config = next(each for each in await docker.configs.list() if each["Spec"]["Name"].endswith("n1"))
    labels = config["Spec"]["Labels"] | {"reberth.state": "{}"}
    await docker.configs.update(config["ID"], config["Version"]["Index"], labels=labels)

    assert list(await SwarmRecords(docker).nodes()) == ["n2"]


async def test_configs_of_others_are_not_seen(docker: aiodocker.Docker) -> None:
    await docker.configs.create("their.config", "text", labels={"kind": "volume"})

    assert await SwarmRecords(docker).volumes() == {}


async def test_a_daemon_that_is_not_there_makes_the_records_unavailable() -> None:
    docker = aiodocker.Docker(url="unix:///nonexistent/docker.sock")
    try:
        with pytest.raises(RecordsUnavailable, match=r"cannot read reberth\.leader"):
            await SwarmRecords(docker).leadership()
    finally:
        await docker.close()


async def test_a_call_that_hangs_ends_at_its_deadline(docker: aiodocker.Docker) -> None:
    with pytest.raises(RecordsUnavailable, match="no answer from Docker within 0 s"):
        await SwarmRecords(docker, deadline=0.0).leadership()


def test_a_real_nodes_certificate_tells_its_node_and_role(swarm: OneNodeSwarm) -> None:
    client = swarm.client()
    info = client.info()["Swarm"]
    client.close()
    me = SwarmIdentity(swarm.certificates).me

    assert (me.node, me.role, me.cluster) == (info["NodeID"], Role.MANAGER, info["Cluster"]["ID"])


def test_a_locked_swarms_real_key_is_refused_with_the_cure(swarm: OneNodeSwarm) -> None:
    client = swarm.client()
    try:
        client.swarm.update(autolock_managers=True)
        with pytest.raises(IdentityError, match="autolock"):
            _until_refused(swarm.certificates)
    finally:
        client.close()


def _until_refused(certificates: Path) -> None:
    """Swarm encrypts the key a moment after it was told to."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        SwarmIdentity(certificates)
        time.sleep(0.05)
