"""
The swarm itself is lost: PostgreSQL has all acknowledged rows afterwards, by what `explain` names. One lab serves both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.drill.testbed import Testbed
from tests.drills import lost_swarm
from tests.drills.disasters import Disaster
from tests.drills.rig import quick_settings, standing

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    with standing(quick_settings("lost", 87, tmp_path_factory.mktemp("lost"))) as made:
        yield made


@pytest.fixture
def disaster(testbed: Testbed) -> Disaster:
    return Disaster.on(testbed)


def test_a_swarm_restored_from_an_old_backup_goes_on_above_every_epoch_that_was_ever_used(
    disaster: Disaster, tmp_path: Path
) -> None:
    """The storage and the gates know epochs that the backup does not; nobody acts under one that came before."""
    lost_swarm.back_up(disaster, "swarm01", tmp_path / "backup")
    newest = lost_swarm.raise_epoch(disaster)
    with disaster.survived():
        lost_swarm.restore(disaster, "swarm01", tmp_path / "backup")
    assert lost_swarm.epoch(disaster) > newest


def test_a_swarm_made_anew_finds_the_old_disks_begins_none_empty_and_adopts_them(disaster: Disaster) -> None:
    """No record is left, gates remember epochs of the old swarm, and Docker makes the volume again."""
    disks = disaster.lab.attachments().keys()
    with disaster.survived():
        lost_swarm.make_anew(disaster)
    assert any("reberth adopt" in line for line in disaster.trail), disaster.trail
    assert disaster.lab.attachments().keys() == disks
