"""What Prometheus reads of the present state."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from controller.api.metrics.state_collector import StateCollector
from controller.model import Every, Schedule, Snapshot, Snapshots, SnapshotState, TaskId
from controller.protocol.operator import Pause
from controller.volumes.quotas import Quota
from drivers.base import Room
from tests.support.in_use import in_use
from tests.support.shell import DATA, Scene, scene

pytestmark = pytest.mark.looptime


def registry(play: Scene) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(StateCollector(play.one.state, play.one.lead))
    return made


async def test_a_volume_is_told_with_its_state_its_node_and_its_size() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        play.cluster.swarm.started.add(TaskId("t1"))
        play.one.state.wakeup("it runs")
        await asyncio.sleep(5)
        found = registry(play)
        disk = play.cluster.record().disk
        assert found.get_sample_value("reberth_volume_state", {"volume": "data", "state": "ok"}) == 1
        labels = {"volume": "data", "node": "host-a", "service": "service-data", "fstype": "ext4", "disk": str(disk)}
        assert found.get_sample_value("reberth_volume_info", labels) == 1
        assert found.get_sample_value("reberth_volume_size_bytes", {"volume": "data"}) == 1 << 30


async def test_the_room_of_the_storage_and_what_a_disk_takes_there_are_told_where_the_storage_tells_them() -> None:
    async with scene() as play:
        disk = await in_use(play)
        assert registry(play).get_sample_value("reberth_volume_allocated_bytes", {"volume": "data"}) is None
        play.one.state.rooms = (Room("a pool", 1, 4, {disk: 7}),)
        found = registry(play)
        assert found.get_sample_value("reberth_storage_free_bytes", {"place": "a pool"}) == 1
        assert found.get_sample_value("reberth_storage_size_bytes", {"place": "a pool"}) == 4
        assert found.get_sample_value("reberth_volume_allocated_bytes", {"volume": "data"}) == 7


async def test_what_is_taken_of_a_quota_is_told_and_what_is_not_limited_is_not() -> None:
    async with scene() as play:
        play.one.state.quotas = (Quota("*", 4 << 30),)
        await in_use(play)
        found, labels = registry(play), {"quota": "*"}
        assert found.get_sample_value("reberth_quota_used_bytes", labels) == 1 << 30
        assert found.get_sample_value("reberth_quota_bytes", labels) == 4 << 30
        assert found.get_sample_value("reberth_quota_used_volumes", labels) == 1
        assert found.get_sample_value("reberth_quota_volumes", labels) is None


async def test_a_snapshot_by_schedule_that_is_late_and_the_newest_that_there_is_are_told() -> None:
    async with scene() as play:
        await in_use(play)
        assert registry(play).get_sample_value("reberth_snapshot_overdue", {"volume": "data"}) is None
        record = play.cluster.record()
        kept = Snapshot("s", "t", SnapshotState.THERE, 7.0, 1, scheduled=True)
        spec = replace(record.spec, schedule=Schedule(Every.DAILY, 7))
        await play.one.records.replace_volume(replace(record, spec=spec, snapshots=Snapshots((kept,))))
        play.one.state.wakeup("it has a schedule")
        await asyncio.sleep(5)
        assert registry(play).get_sample_value("reberth_snapshot_overdue", {"volume": "data"}) == 0
        play.one.state.overdue[DATA] = "no room"
        found = registry(play)
        assert found.get_sample_value("reberth_snapshot_overdue", {"volume": "data"}) == 1
        assert found.get_sample_value("reberth_snapshot_newest_timestamp_seconds", {"volume": "data"}) == 7


async def test_states_that_no_volume_is_in_are_told_as_zero_so_that_alerts_can_rest_on_them() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        found = registry(play)
        assert found.get_sample_value("reberth_volumes", {"state": "alarm"}) == 0
        assert found.get_sample_value("reberth_alarms") == 0


async def test_a_gate_is_told_with_the_seconds_since_it_spoke() -> None:
    async with scene() as play:
        await asyncio.sleep(5)
        heard = registry(play).get_sample_value("reberth_gate_last_heard_seconds", {"node": "host-b"})
        assert heard is not None
        assert 0 <= heard < 40


async def test_a_pause_shows() -> None:
    async with scene() as play:
        await play.operator_requests.pause(Pause("works"))
        await asyncio.sleep(30)
        assert registry(play).get_sample_value("reberth_paused") == 1
        play.one.lead.paused = None
        await asyncio.sleep(30)
        assert registry(play).get_sample_value("reberth_paused") == 0


async def test_what_is_paused_alone_shows_by_its_name_and_its_volume_as_paused() -> None:
    async with scene() as play:
        await play.make()
        await asyncio.sleep(5)
        await play.operator_requests.pause(Pause("works", node="b"))
        await play.operator_requests.pause(Pause("works", volume="data"))
        await asyncio.sleep(30)
        found = registry(play)
        assert found.get_sample_value("reberth_paused_parts", {"kind": "node", "name": "host-b"}) == 1
        assert found.get_sample_value("reberth_paused_parts", {"kind": "volume", "name": "data"}) == 1
        assert found.get_sample_value("reberth_volume_state", {"volume": "data", "state": "paused"}) == 1
        assert found.get_sample_value("reberth_volumes", {"state": "paused"}) == 1
        assert found.get_sample_value("reberth_paused") == 0


async def test_a_controller_that_stands_by_tells_only_that() -> None:
    async with scene() as play:
        await play.make()
        await asyncio.sleep(5)
        play.one.lead.epoch = None
        found = registry(play)
        assert found.get_sample_value("reberth_acting") == 0
        assert found.get_sample_value("reberth_volume_size_bytes", {"volume": "data"}) is None
