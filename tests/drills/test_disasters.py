"""
What a whole swarm may suffer: PostgreSQL is there afterwards with all acknowledged rows.

Where a person is needed, `reberth explain` names what to do, and the drill does just that. One lab serves them all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.drill.swarm.cluster import wait_for
from deploy.drill.testbed import Testbed
from tests.drills.disasters import WITHIN, Disaster, commands
from tests.drills.rig import quick_settings, standing

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    with standing(quick_settings("disaster", 85, tmp_path_factory.mktemp("disasters"))) as made:
        yield made


@pytest.fixture
def disaster(testbed: Testbed) -> Disaster:
    """All is well before, and again after it."""
    return Disaster.on(testbed)


def complaint(told: str, wanted: str) -> str:
    return "" if wanted in told else told


def test_commands_are_what_stands_between_backticks() -> None:
    advice = 'Type `reberth confirm-dead swarm01 --reason "..."`, or see `docker node ls`; a `word` is none.'

    assert commands(advice) == [
        ["reberth", "confirm-dead", "swarm01", "--reason", "the drill did it"],
        ["docker", "node", "ls"],
    ]


def test_a_power_cut_of_all_machines_loses_nothing(disaster: Disaster) -> None:
    with disaster.survived():
        disaster.power_off_all()
        disaster.power_on_all()


def test_the_database_moves_from_a_dead_node_that_was_removed_by_force(disaster: Disaster) -> None:
    with disaster.survived() as node:
        disaster.lose_node(node)
    disaster.join_again(node)


def test_records_that_were_swept_away_by_force_are_made_again_with_their_disks(disaster: Disaster) -> None:
    """Nothing begins empty, and what `explain` names takes the disk over with all rows."""
    with disaster.survived():
        disaster.lose_records()
        disaster.scenario.stacks.restart_database(disaster.scenario.cluster.database_service())
    assert any("reberth adopt" in line for line in disaster.trail), disaster.trail


def test_records_that_were_swept_away_come_back_from_a_backup_under_the_running_database(disaster: Disaster) -> None:
    """Nobody has to know which disk is whose, and nothing is to be adopted afterwards."""
    backup = disaster.scenario.cluster.ask_controller("export")
    with disaster.survived():
        disaster.lose_records()
        wait_for(lambda: complaint(disaster.import_records(backup), f"volume {disaster.volume} has its record"), WITHIN)
        wait_for(lambda: complaint(disaster.scenario.cluster.explain(disaster.volume).state, "ok"), WITHIN)
        disaster.scenario.stacks.restart_database(disaster.scenario.cluster.database_service())
    assert not any("reberth adopt" in line for line in disaster.trail), disaster.trail
    assert "it has a record, which is kept as it is" in disaster.import_records(backup)
