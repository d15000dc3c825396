"""
What cannot work is told, with the cause and the cure, where a user of Swarm looks: `docker service ps --no-trunc`.

On a lab of a manager and a worker with Reberth as a user deploys it. Each test makes tiny services and removes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from rich.console import Console

from controller.model import VolumeName
from controller.names import volume_key
from deploy.drill.cluster import Cluster
from deploy.drill.ground import DrillSettings
from deploy.drill.interrupts import undisturbed
from deploy.drill.scene import Scene
from deploy.drill.site import NamespacesSite
from deploy.lab.lab import Lab
from tests.drills.tiny import SMALL, Tiny, Village

pytestmark = pytest.mark.timeout(600)

MANAGER, WORKER = "swarm01", "swarm02"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    settings = DrillSettings(
        name=f"errors{os.getpid()}",
        subnet=f"10.81.{os.getpid() % 200}.0/24",
        managers=1,
        workers=1,
        heartbeat="1s",
        report=tmp_path_factory.mktemp("errors"),
    )
    site, say = NamespacesSite(), Console(highlight=False).print
    cluster = None
    try:
        site.packages(say)
        ground = site.up(settings, say)
        cluster = Cluster(ground)
        made = Scene(ground, cluster, site.stacks(ground, cluster, settings, say))
        made.stacks.deploy_system()
        made.ready(180)
        yield made
    finally:
        if cluster is not None:
            cluster.close()
        with undisturbed():
            site.down(settings)
    assert Lab.leftovers(settings.name) == ()


@pytest.fixture
def village(scene: Scene) -> Iterator[Village]:
    made = Village(scene)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def lab(scene: Scene) -> Lab:
    assert isinstance(scene.ground, Lab)
    return scene.ground


def disks(lab: Lab) -> set[str]:
    return {str(disk["id"]) for disk in lab.host.call("GET", "/v1/disks")}


def has_disk(lab: Lab, volume: str) -> bool:
    return any(volume_key(VolumeName(volume)) in disk for disk in disks(lab))


# --- driver_opts


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sizeless", {"fstype": "ext4"}, ("driver_opts has no size", "for example size: 10GiB")),
        ("size", {"size": "much"}, ("size 'much' is not a size", "10GiB")),
        ("little", {"size": "1MiB"}, ("too small for ext4", "at least 16MiB")),
        ("vast", {"size": "90TiB"}, ("too large", "at most 62TiB")),
        ("fstype", {**SMALL, "fstype": "btrfs"}, ("fstype 'btrfs' is not supported", "use ext4 or xfs")),
        ("key", {**SMALL, "fs": "ext4"}, ("unknown driver_opts key 'fs'", "fstype")),
        ("policy", {**SMALL, "policy": "nuke"}, ("policy 'nuke' is unknown", "detach, power-off or hold")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_driver_opts_are_named_with_what_to_write_instead(
    village: Village, name: str, options: dict[str, str], words: tuple[str, ...]
) -> None:
    village.make(Tiny(f"bad-{name}", f"bad-{name}", options))

    village.error(f"bad-{name}", *words)


def test_other_options_for_a_volume_that_exists_are_refused_and_the_first_service_goes_on(village: Village) -> None:
    village.make(Tiny("first", "grown", {"size": "16MiB"}, MANAGER))
    village.runs("first")
    village.make(Tiny("second", "grown", {"size": "32MiB"}, MANAGER))

    village.error("second", "volume exists with other options", "size is 16777216 bytes and not 33554432 bytes")
    village.error("second", "correct driver_opts in the stack file, or give the new volume another name")
    village.runs("first")


# --- who may have it


def test_a_second_service_on_another_node_is_refused_and_told_who_has_the_volume(village: Village) -> None:
    village.make(Tiny("here", "contested", node=MANAGER))
    village.runs("here")
    village.make(Tiny("there", "contested", node=WORKER))

    village.error("there", f"here on {MANAGER}", "placement constraint")
    village.runs("here")


def test_two_services_on_one_node_share_a_volume(village: Village) -> None:
    village.make(Tiny("writer", "shared", node=WORKER))
    village.runs("writer")
    village.make(Tiny("reader", "shared", node=WORKER, read_only=True))

    village.runs("writer", "reader")


def test_two_replicas_on_one_volume_are_refused(village: Village) -> None:
    village.make(Tiny("twice", "twice", replicas=2))

    village.error("twice", "runs 2 replicas on this one volume", "set replicas: 1", "{{.Task.Slot}}")


def test_order_start_first_is_refused(village: Village) -> None:
    village.make(Tiny("hasty", "hasty", order="start-first"))

    village.error("hasty", "order start-first", "set order: stop-first in deploy.update_config")


def test_three_replicas_with_the_slot_in_the_name_have_a_volume_each(village: Village) -> None:
    village.make(Tiny("slots", "slot-{{.Task.Slot}}", replicas=3))

    village.runs("slots")
