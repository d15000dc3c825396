"""What the records make of Docker's rarer answers; the common ones are in the conformance suite, on a real dockerd."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import aiodocker
import pytest

from controller.model import Epoch, Intent, NodeId, Operation, Serial, VolumeKey, VolumeName
from controller.names import LEADER_CONFIG
from controller.records.base import Leadership, RecordsUnavailable, Stale
from controller.records.codec import STATE_LABEL, volume_content
from controller.records.swarm import SwarmRecords, leader_content
from tests.support.worlds import grant, record

RECORD = Leadership(Epoch(1), NodeId("n1"), "a:1", version=7)


class FakeConfigs:
    """One config. ``fails``: what an update answers; ``meddled``: what somebody else writes right after it."""

    def __init__(self, fails: Exception | None = None, meddled: str | None = None) -> None:
        self.fails, self.meddled = fails, meddled
        content = leader_content(RECORD)
        self.labels = {STATE_LABEL: content.state.decode()}
        self.data = base64.b64encode(content.facts).decode()
        self.version = 7

    async def inspect(self, _config_id: str) -> dict[str, Any]:
        spec = {"Name": LEADER_CONFIG, "Labels": self.labels, "Data": self.data}
        return {"ID": "c1", "Version": {"Index": self.version}, "Spec": spec}

    async def update(self, _config_id: str, _version: str, *, labels: dict[str, str]) -> bool:
        if self.fails is not None:
            raise self.fails
        self.version += 1
        self.labels = labels if self.meddled is None else labels | {STATE_LABEL: self.meddled}
        return True


class FakeDocker:
    def __init__(self, configs: FakeConfigs) -> None:
        self.configs = configs


def records(configs: FakeConfigs) -> SwarmRecords:
    return SwarmRecords(cast("aiodocker.Docker", FakeDocker(configs)))


async def test_a_version_that_holds_somebody_elses_content_is_not_taken_for_ours() -> None:
    meddled = FakeConfigs(meddled="{}")

    with pytest.raises(RecordsUnavailable, match="changed again by somebody else"):
        await records(meddled).replace_leadership(RECORD)


async def test_docker_says_out_of_sequence_with_a_status_that_means_nothing() -> None:
    refused = FakeConfigs(aiodocker.DockerError(500, "rpc error: code = Unknown desc = update out of sequence"))

    assert isinstance(await records(refused).replace_leadership(RECORD), Stale)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (aiodocker.DockerError(503, "The swarm does not have a leader."), "no quorum"),
        (aiodocker.DockerError(500, "rpc error: code = DeadlineExceeded desc = slow"), "DeadlineExceeded"),
        (aiodocker.DockerError(900, "Cannot connect to Docker Engine"), "Cannot connect"),
        (TimeoutError(), "it may still happen"),
        (ConnectionResetError("gone"), "connection to Docker broke"),
    ],
    ids=["no quorum", "slow raft", "daemon away", "no answer", "cut"],
)
async def test_whatever_leaves_a_write_in_doubt_is_unavailable_and_never_stale(error: Exception, why: str) -> None:
    with pytest.raises(RecordsUnavailable, match=why):
        await records(FakeConfigs(error)).replace_leadership(RECORD)


class FakeLists:
    """A Docker that has these configs, and answers with their bytes."""

    def __init__(self, *configs: dict[str, Any]) -> None:
        self.answer = json.dumps(configs).encode()

    @asynccontextmanager
    async def _query(self, _path: str, *, params: object) -> AsyncIterator[FakeLists]:
        assert params is not None
        yield self

    async def read(self) -> bytes:
        return self.answer


def volume_config(name: str, version: int) -> dict[str, Any]:
    content = volume_content(replace(record(), name=VolumeName(name), key=VolumeKey(name)))
    spec = {
        "Name": f"reberth.volume.{name}",
        "Labels": {STATE_LABEL: content.state.decode()},
        "Data": base64.b64encode(content.facts).decode(),
    }
    return {"ID": f"id-{name}", "Version": {"Index": version}, "Spec": spec}


async def test_records_are_read_anew_only_when_docker_answers_anything_else() -> None:
    """Then only those whose version changed. Of a list that did not change the records are the very same."""
    docker = FakeLists(volume_config("a", 1), volume_config("b", 1))
    made = SwarmRecords(cast("aiodocker.Docker", docker))
    first = await made.volumes()
    assert (await made.volumes()).readable is first.readable

    docker.answer = FakeLists(volume_config("a", 1), volume_config("b", 2)).answer
    second = await made.volumes()
    assert {name: each.version for name, each in second.items()} == {"a": 1, "b": 2}
    assert second[VolumeName("a")] is first[VolumeName("a")]

    docker.answer = FakeLists({**volume_config("a", 2), "Spec": {"Name": "reberth.volume.a"}}).answer
    third = await made.volumes()
    assert (list(third), list(third.unreadable)) == ([], ["a"])
    docker.answer = b"{"
    with pytest.raises(RecordsUnavailable, match="unknown form"):
        await made.volumes()
    docker.answer = FakeLists(volume_config("a", 3)).answer
    assert [each.version for each in (await made.volumes()).values()] == [3]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": VolumeName("b"), "key": VolumeKey("b")}, "holds the record of volume b"),
        ({"serial": Serial(2**62 + 1)}, "no controller wrote"),
        ({"serial": Serial(-1)}, "no controller wrote"),
        ({"grants": (grant(1, serial=2**63),)}, "no controller wrote"),
        ({"intent": Intent(Operation.ATTACH, Epoch(2**63))}, "no controller wrote"),
    ],
)
async def test_a_record_that_was_copied_or_changed_by_hand_is_its_volumes_alarm(
    change: dict[str, Any], why: str
) -> None:
    """Its numbers would be refused by a gate, and with them all that it is told; a copy would stand for the other."""
    own = {"name": VolumeName("a"), "key": VolumeKey("a")}
    odd = volume_content(replace(record(), **(own | change)))
    spec = {"Name": "reberth.volume.a", "Labels": {STATE_LABEL: odd.state.decode()}}
    spec |= {"Data": base64.b64encode(odd.facts).decode()}
    docker = FakeLists({"ID": "id-a", "Version": {"Index": 1}, "Spec": spec}, volume_config("b", 7))
    found = await SwarmRecords(cast("aiodocker.Docker", docker)).volumes()
    assert ({name: each.version for name, each in found.items()}, list(found.unreadable)) == ({"b": 7}, ["a"])
    assert why in found.unreadable[VolumeKey("a")]
