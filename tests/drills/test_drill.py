"""
Drills on a real lab: each breaks something and must end with nothing lost, nothing invented and one writer at a time.

One lab serves them all: three managers and a worker, with a short heartbeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model import EvidenceKind, Moment
from deploy.drill.faults.node import ControllerKill, Cut, DockerdRestart, Drain, Freeze, PowerOff, Restart, StackRemove
from deploy.drill.report import data
from deploy.drill.testbed import Testbed
from tests.drills.copies import COPIED, COPY, ORIGINAL, VOLUME, Copies
from tests.drills.rig import drill, quick_settings, standing
from tests.drills.shards import Shards

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    with standing(replace(quick_settings("drills", 79, tmp_path_factory.mktemp("drills")), workers=1)) as made:
        yield made


def moments(found: data.Report) -> set[Moment]:
    return {row.moment for row in found.details.history}


def test_a_node_that_loses_its_power_loses_its_disk_to_the_next_one(testbed: Testbed) -> None:
    found = drill(testbed, PowerOff())

    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    seconds = found.seconds
    assert None not in {seconds.evidence, seconds.detached, seconds.attached, seconds.accepting}


def test_a_planned_move_is_released_and_unmounted_without_any_fence(testbed: Testbed) -> None:
    found = drill(testbed, Drain())

    assert found.evidence.kind is EvidenceKind.RELEASED
    assert Moment.FENCED not in moments(found)


def test_a_container_that_is_killed_comes_back_to_a_disk_that_never_left(testbed: Testbed) -> None:
    found = drill(testbed, Restart())

    assert found.details.moved[0] == found.details.moved[1]
    assert {Moment.DETACHED, Moment.FENCED}.isdisjoint(moments(found))


def test_postgresql_comes_back_by_itself_after_its_docker_engine_was_restarted(testbed: Testbed) -> None:
    drill(testbed, DockerdRestart())


@pytest.mark.parametrize("moment", [0.0, 2.5, 60.0], ids=["at once", "in its middle", "at its end"])
def test_a_failover_is_finished_and_stays_so_when_all_controllers_are_killed(testbed: Testbed, moment: float) -> None:
    fault = ControllerKill(moment=moment)

    drill(testbed, fault)

    assert fault.killed_at is not None


def test_the_data_is_there_after_the_stack_was_removed_and_deployed_again(testbed: Testbed) -> None:
    drill(testbed, StackRemove())


def test_a_machine_that_hangs_is_powered_off_before_its_disk_is_taken(testbed: Testbed) -> None:
    found = drill(testbed, Freeze())

    assert Moment.FENCED in moments(found)


def test_a_machine_that_nobody_reaches_is_powered_off_before_its_disk_is_taken(testbed: Testbed) -> None:
    found = drill(testbed, Cut())

    assert Moment.FENCED in moments(found)


def test_a_copy_of_the_database_begins_with_its_rows_and_runs_beside_it_on_the_same_node(testbed: Testbed) -> None:
    """The copy waits, and says why, until the original is scaled to 0; then the original runs again, apart from it."""
    copies = Copies(testbed.scenario)
    copies.sql(ORIGINAL, "CREATE TABLE word AS SELECT generate_series AS number FROM generate_series(1, 1000)")
    with copies.on_one_node():
        copies.deploy()
        copies.waits(COPIED, f"is to be a copy of volume {VOLUME}, but service {ORIGINAL} uses it")
        copies.stop(ORIGINAL)
        copies.runs(COPY)
        assert copies.sql(COPY, "SELECT count(*), sum(number) FROM word") == "1000|500500"

        copies.scale(ORIGINAL, 1)
        copies.runs(ORIGINAL)
        copies.sql(COPY, "DELETE FROM word WHERE number > 1")
        copies.sql(ORIGINAL, "INSERT INTO word VALUES (7000)")
        assert copies.sql(COPY, "SELECT count(*), sum(number) FROM word") == "1|1"
        assert copies.sql(ORIGINAL, "SELECT count(*), sum(number) FROM word") == "1001|507500"
        for volume in (VOLUME, COPIED):
            assert testbed.scenario.cluster.explain(volume).history
    copies.sql(ORIGINAL, "DROP TABLE word")


def test_each_of_three_replicas_keeps_its_own_volume_when_one_of_them_moves(testbed: Testbed) -> None:
    shards = Shards(testbed.scenario)
    with shards.deployed():
        shards.write_marks()
        before = shards.places()
        volumes = {slot: place.volume for slot, place in before.items()}
        assert volumes == {1: "shard-data-1", 2: "shard-data-2", 3: "shard-data-3"}

        node = before[1].node
        testbed.scenario.lab.power_off(node)
        testbed.scenario.cluster.avoid = node
        try:
            shards.wait_until_all_are_back(volumes)
        finally:
            testbed.scenario.lab.power_on(node)
            testbed.scenario.cluster.avoid = ""
            testbed.scenario.ready()
