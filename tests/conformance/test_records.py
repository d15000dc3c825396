"""What every store of records does, the one in memory and the one in Swarm's Raft alike."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import aiodocker
import pytest

from controller.model import (
    BootId,
    Confirmation,
    DiskId,
    Epoch,
    EvidenceKind,
    FencePolicy,
    Grant,
    HistoryEntry,
    Intent,
    Moment,
    NodeId,
    Operation,
    Phase,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.records.base import HISTORY_LIMIT, Leadership, NodeRecord, Records, Stale
from controller.records.memory import MemoryRecords
from controller.records.swarm import SwarmRecords
from controller.volumes.naming import volume_key
from tests.support.dockerd import OneNodeSwarm, one_node_swarm

_numbers = itertools.count()


@pytest.fixture(scope="module")
def swarm() -> Iterator[OneNodeSwarm]:
    with one_node_swarm("records") as found:
        yield found


@pytest.fixture(params=["memory", "swarm"])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    docker = aiodocker.Docker(url=request.getfixturevalue("swarm").url)
    try:
        yield SwarmRecords(docker)
        for config in await docker.configs.list():
            await docker.configs.delete(config["ID"])
    finally:
        await docker.close()


def fresh(name: str = "pgdata") -> VolumeRecord:
    volume = VolumeName(name)
    spec = Spec(size_bytes=1 << 30, fstype="xfs", policy=FencePolicy.HOLD)
    return VolumeRecord(volume, volume_key(volume), spec, fs_uuid=f"uuid-{next(_numbers)}")


def full(record: VolumeRecord) -> VolumeRecord:
    """Every field that may change, changed."""
    return replace(
        record,
        phase=Phase.READY,
        disk=DiskId("disk-1"),
        formatted=True,
        serial=Serial(7),
        grants=(Grant(TaskId("t1"), NodeId("n1"), VmId("v1"), BootId("b1"), Epoch(3), Serial(7), 12.5),),
        intent=Intent(Operation.DETACH, Epoch(3), VmId("v1"), EvidenceKind.POWERED_OFF, 13.25),
        history=(HistoryEntry(Moment.DETACHED, 1.5, Epoch(3), "tät", "host1", EvidenceKind.CONFIRMED),),
    )


async def written(records: Records, record: VolumeRecord) -> VolumeRecord:
    made = await records.create_volume(record)
    assert isinstance(made, VolumeRecord)
    return made


async def test_an_empty_store_has_nothing(records: Records) -> None:
    assert (dict(await records.volumes()), dict(await records.nodes())) == ({}, {})
    assert (await records.confirmations(), await records.leadership()) == ((), None)


async def test_a_volume_is_read_as_it_was_written(records: Records) -> None:
    made = await written(records, full(fresh("späte Daten/1")))

    assert await records.volumes() == {made.name: made}
    assert replace(made, version=0) == replace(full(fresh()), name=made.name, key=made.key, fs_uuid=made.fs_uuid)


async def test_a_second_volume_of_the_same_name_is_stale(records: Records) -> None:
    made = await written(records, fresh())

    assert isinstance(await records.create_volume(fresh()), Stale)
    assert await records.volumes() == {made.name: made}


async def test_a_volume_is_replaced_under_its_newest_version(records: Records) -> None:
    made = await written(records, fresh())
    replaced = await records.replace_volume(full(made))

    assert isinstance(replaced, VolumeRecord)
    assert replace(replaced, version=0) == replace(full(made), version=0)
    assert replaced.version != made.version
    assert await records.volumes() == {made.name: replaced}


async def test_a_replaced_volume_can_be_replaced_again_without_reading(records: Records) -> None:
    once = await records.replace_volume(full(await written(records, fresh())))
    assert isinstance(once, VolumeRecord)
    twice = await records.replace_volume(replace(once, serial=Serial(8)))

    assert isinstance(twice, VolumeRecord)
    assert twice.serial == 8


async def test_a_write_on_an_older_version_is_stale_and_writes_nothing(records: Records) -> None:
    made = await written(records, fresh())
    newer = await records.replace_volume(full(made))

    assert isinstance(await records.replace_volume(replace(made, serial=Serial(99))), Stale)
    assert await records.volumes() == {made.name: newer}


async def test_a_write_on_a_removed_volume_is_stale(records: Records) -> None:
    made = await written(records, fresh())
    await records.delete_volume(made)

    assert isinstance(await records.replace_volume(full(made)), Stale)
    assert await records.volumes() == {}


async def test_a_write_on_a_volume_made_anew_is_stale(records: Records) -> None:
    made = await written(records, fresh())
    await records.delete_volume(made)
    anew = await written(records, fresh())

    assert isinstance(await records.replace_volume(full(made)), Stale)
    assert await records.volumes() == {made.name: anew}


async def test_a_removal_on_an_older_version_removes_nothing(records: Records) -> None:
    made = await written(records, fresh())
    newer = await records.replace_volume(full(made))
    await records.delete_volume(made)

    assert await records.volumes() == {made.name: newer}


async def test_removing_twice_is_no_error(records: Records) -> None:
    made = await written(records, fresh())
    await records.delete_volume(made)
    await records.delete_volume(made)

    assert await records.volumes() == {}


async def test_what_a_volume_is_can_not_be_changed(records: Records) -> None:
    made = await written(records, fresh())

    with pytest.raises(ValueError, match="never change"):
        await records.replace_volume(replace(made, fs_uuid="another"))


async def test_only_the_newest_history_is_kept(records: Records) -> None:
    entries = tuple(HistoryEntry(Moment.GRANTED, float(at), Epoch(1), f"entry {at}") for at in range(HISTORY_LIMIT + 5))
    made = await written(records, replace(fresh(), history=entries))

    assert made.history == entries[5:]


async def test_a_node_is_written_and_changed_under_its_version(records: Records) -> None:
    first = NodeRecord(NodeId("n1"), VmId("v1"), BootId("b1"), "host1")
    made = await records.put_node(first)
    assert isinstance(made, NodeRecord)
    rebooted = await records.put_node(replace(made, boot=BootId("b2")))

    assert isinstance(rebooted, NodeRecord)
    assert isinstance(await records.put_node(made), Stale)
    assert isinstance(await records.put_node(first), Stale)
    assert await records.nodes() == {NodeId("n1"): rebooted}
    assert replace(rebooted, version=0) == replace(first, boot=BootId("b2"))


async def test_a_forgotten_node_is_gone(records: Records) -> None:
    await records.put_node(NodeRecord(NodeId("n1"), VmId("v1"), BootId("b1"), "host1"))
    await records.delete_node(NodeId("n1"))
    await records.delete_node(NodeId("n1"))

    assert await records.nodes() == {}


async def test_a_confirmation_replaces_the_earlier_one_and_can_be_withdrawn(records: Records) -> None:
    first = Confirmation(NodeId("n1"), VmId("v1"), None, "burnt", "ann", 5.0)
    second = replace(first, boot=BootId("b2"), reason="pulled the plug")
    await records.confirm(first)
    await records.confirm(second)
    assert await records.confirmations() == (second,)

    await records.withdraw(NodeId("n1"))
    await records.withdraw(NodeId("n1"))
    assert await records.confirmations() == ()


async def test_only_one_of_two_contenders_takes_the_first_epoch(records: Records) -> None:
    mine = Leadership(Epoch(1), NodeId("n1"), "10.0.0.1:7490")
    taken = await records.replace_leadership(mine)

    assert isinstance(taken, Leadership)
    assert replace(taken, version=0) == mine
    assert isinstance(await records.replace_leadership(replace(mine, holder=NodeId("n2"))), Stale)
    assert await records.leadership() == taken


async def test_only_one_of_two_contenders_takes_the_next_epoch(records: Records) -> None:
    taken = await records.replace_leadership(Leadership(Epoch(1), NodeId("n1"), "10.0.0.1:7490"))
    assert isinstance(taken, Leadership)
    second = await records.replace_leadership(replace(taken, epoch=Epoch(2), holder=NodeId("n2"), paused="work"))

    assert isinstance(second, Leadership)
    assert isinstance(await records.replace_leadership(replace(taken, beat=1)), Stale)
    assert await records.leadership() == second


async def test_a_volume_that_has_grown_is_read_with_both_sizes_and_grows_again(records: Records) -> None:
    made = await written(records, fresh())
    once = await records.replace_volume(replace(made, spec=made.spec.grown(2 << 30)))
    assert isinstance(once, VolumeRecord)
    twice = await records.replace_volume(replace(once, spec=once.spec.grown(3 << 30)))
    assert isinstance(twice, VolumeRecord)

    found = (await records.volumes())[made.name].spec
    assert (found.size_bytes, found.made_bytes) == (3 << 30, made.spec.size_bytes)
    assert (found.as_made, twice.spec) == (made.spec, found)
