"""Taking labs down from half states: nothing of them is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.lab import cleanup
from deploy.lab.kernel import processes
from deploy.lab.lab import Lab
from deploy.lab.names import Layout
from tests.conformance.lab_rig import kill_host
from tests.support.labs import ask, make_disk, mount, spec


def test_down_leaves_nothing_although_the_machine_host_was_killed_and_a_disk_is_mounted() -> None:
    wanted = spec("d", 1, managers=1)
    try:
        made = Lab.up(wanted)
        disk = make_disk(made, "d1")
        ask(made, "attach", "swarm01", disk)
        mount(made, "swarm01", disk, "ext4")
        kill_host(made)
        made.down()
        assert Lab.leftovers(wanted.name) == ()
        made.down()
    finally:
        Lab.remove(wanted.name)


def test_a_volume_that_is_mounted_for_labs_stays_and_an_empty_folder_goes(tmp_path: Path) -> None:
    """As in a container, where labs cannot keep Docker's layers on the container's own file system."""
    root = tmp_path / "labs"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
    try:
        cleanup.remove_empty(root)
    finally:
        subprocess.run(["umount", root], check=True)
    assert root.is_dir()
    cleanup.remove_empty(root)
    assert not root.exists()


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_down_leaves_nothing_of_a_lab_that_was_interrupted_on_its_way_up(step: int) -> None:
    wanted = spec("i", 2, managers=1)
    steps = iter(range(10))

    def progress(_: str) -> None:
        if next(steps) == step:
            raise Interrupt

    try:
        with pytest.raises(Interrupt):
            Lab.up(wanted, progress)
        assert Lab.leftovers(wanted.name) != ()
    finally:
        Lab.remove(wanted.name)
    assert Lab.leftovers(wanted.name) == ()


def test_down_works_without_the_records_of_the_lab() -> None:
    wanted = spec("r", 3, managers=1)
    try:
        Lab.up(wanted)
        Layout(wanted.name).record.unlink()
    finally:
        Lab.remove(wanted.name)
    assert Lab.leftovers(wanted.name) == ()


def test_what_a_lab_left_whose_processes_are_dead_is_removed_by_the_next_one_and_a_living_lab_is_not() -> None:
    """As after `kill -9`, or when the machine was started anew."""
    wanted = spec("k", 4, managers=1)
    try:
        Lab.up(wanted)
        assert cleanup.remove_dead(wanted.name) == ()

        while living := processes.marked(wanted.name):
            for pid in living:
                processes.kill(pid)
        assert any("folder" in each for each in cleanup.remove_dead(wanted.name))
    finally:
        Lab.remove(wanted.name)
    assert Lab.leftovers(wanted.name) == ()
