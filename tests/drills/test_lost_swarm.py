"""
The swarm itself is lost: PostgreSQL has all acknowledged rows afterwards, by what `explain` names. One lab serves both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import wait_for
from deploy.drill.testbed import Testbed
from tests.drills import lost_swarm
from tests.drills.disasters import REBERTH, WITHIN, Disaster
from tests.drills.rig import quick_settings, standing
from tests.drills.tiny import Tiny, Village

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


def test_a_swarm_restored_from_before_the_database_moved_takes_nothing_from_the_machine_that_has_it_and_runs_on(
    disaster: Disaster, tmp_path: Path
) -> None:
    """Cut off, it writes on with its gate unheard: the backup's record knows nothing of it. A person has to look."""
    before = disaster.scenario.cluster.place().node
    lost_swarm.back_up(disaster, before, tmp_path / "backup")
    has_it = lost_swarm.move(disaster, before)
    with disaster.survived():
        disaster.lab.cut(has_it)
        disks = disaster.lab.attachments()
        disaster.scenario.cluster.avoid = has_it
        lost_swarm.restore(disaster, before, tmp_path / "backup", cut_off=has_it)
        wait_for(lambda: lost_swarm.unasked(disaster), WITHIN)
        assert (disaster.lab.power(has_it), disaster.lab.attachments()) == ("on", disks)
        disaster.lab.power_off(has_it)
    disaster.join_again(has_it)


def test_a_swarm_made_anew_finds_the_old_disks_begins_none_empty_and_adopts_them(disaster: Disaster) -> None:
    """No record is left, gates remember epochs of the old swarm, and Docker makes the volume again."""
    disks = disaster.lab.attachments().keys()
    with disaster.survived():
        lost_swarm.make_anew(disaster)
    assert any("reberth adopt" in line for line in disaster.trail), disaster.trail
    assert disaster.lab.attachments().keys() == disks


def diagnosis(disaster: Disaster) -> str:
    """What `reberth doctor` says; it ends with 1 where it finds an error."""
    node, container = disaster.scenario.cluster.controllers()[0]
    return disaster.scenario.cluster.run(node, str(container.id), REBERTH, "doctor", "--json")[1].decode()


def test_an_external_volume_of_a_swarm_made_anew_is_no_local_one_and_has_its_file_again_when_it_is_adopted(
    disaster: Disaster,
) -> None:
    """No record and no driver is named: Docker would make an empty local volume, and start the container on it."""
    village, first, last = Village(disaster.scenario), disaster.lab.nodes[0].name, disaster.lab.nodes[-1].name
    made = village.cli(first, "volume", "create", "-d", "reberth", "-o", "size=16MiB", "shop")
    assert made.returncode == 0, made.stderr
    village.make(Tiny("shop-1", "shop", None, first))
    village.runs("shop-1")
    wrote = village.cli(first, "exec", *village.running(first, "shop-1"), "sh", "-c", "echo kept >/data/file; sync")
    assert wrote.returncode == 0, wrote.stderr
    disk = next(each for each in disaster.lab.attachments() if each.startswith("shop-"))

    lost_swarm.form_anew(disaster)
    village.make(Tiny("shop-2", "shop", None, last))
    told = village.error("shop-2", "no record of this swarm has volume shop", f"reberth adopt shop --disk {disk}")
    kinds = village.cli(last, "volume", "ls", "--format", "{{.Name}} {{.Driver}}").stdout.split("\n")
    assert ("shop reberth:latest" in kinds, "shop local" in kinds) == (True, False), told
    explained = disaster.scenario.cluster.explain("shop")
    assert (explained.state, f"reberth adopt shop --disk {disk}" in explained.cure) == ("refused", True), explained
    assert "disk-unrecorded" in diagnosis(disaster)

    with pytest.raises(DrillError, match="--size"):
        disaster.scenario.cluster.ask_controller("adopt", "shop", "--disk", disk, "--yes")
    disaster.scenario.cluster.ask_controller("adopt", "shop", "--disk", disk, "--size", "16MiB", "--yes")
    village.runs("shop-2")
    read = village.cli(last, "exec", *village.running(last, "shop-2"), "cat", "/data/file")
    assert read.stdout == "kept\n", read.stderr
    village.clear()
