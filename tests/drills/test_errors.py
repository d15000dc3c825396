"""
What cannot work is told, with the cause and the cure, where a user of Swarm looks: `docker service ps --no-trunc`.

On a lab of a manager and a worker with Reberth as a user deploys it. Each test makes tiny services and removes them.
"""

from __future__ import annotations

import json

import pytest
from docker.errors import APIError

from controller.model import VolumeName
from controller.volumes.naming import volume_key
from deploy.lab.lab import Lab
from deploy.lab.names import Layout
from tests.drills.tiny import SMALL, Tiny, Village
from tests.support.labs import until

pytestmark = pytest.mark.timeout(600)

MANAGER, WORKER = "swarm01", "swarm02"


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
        ("copy", {"clone-from": "nothing"}, ("there is no volume nothing to copy", "correct clone-from")),
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


def test_a_disk_that_the_storage_has_no_room_for_is_told_at_once(village: Village) -> None:
    village.make(Tiny("huge", "huge", {"size": "60TiB"}))

    told = village.error("huge", "the storage refused to create", "No room for a disk", "Make room in the storage")
    assert "not ready after" not in told
    found = json.loads(village.scenario.cluster.ask_controller("explain", "huge", "--json"))
    assert (found["state"], found["cure"].startswith("Make room")) == ("ALARM", True)


def test_a_disk_whose_superblock_is_gone_is_told_at_once_and_never_formatted(village: Village, lab: Lab) -> None:
    village.make(Tiny("scratched", "scratched", node=WORKER))
    village.runs("scratched")
    village.scale("scratched", 0)
    village.ended("scratched")
    image = next(image for image in Layout(lab.spec.name).machines.glob("*/*.img") if "scratched" in image.name)
    with image.open("r+b") as disk:
        disk.seek(1024)
        disk.write(bytes(1024))
    village.scale("scratched", 1)

    told = village.error("scratched", "the volume was formatted before, but the disk has no file system")
    assert "not ready after" not in told
    until(lambda: "has no file system" in explained(village, "scratched"), "it is explained")
    assert image.read_bytes()[1024:2048] == bytes(1024)


def explained(village: Village, volume: str) -> str:
    found = json.loads(village.scenario.cluster.ask_controller("explain", volume, "--json"))
    return f"{found['why']} {found['cure']}"


def test_a_volume_that_was_never_used_is_not_copied(village: Village) -> None:
    made = village.cli(MANAGER, "volume", "create", "-d", "reberth", "-o", "size=16MiB", "unused")
    assert made.returncode == 0, made.stderr

    refused = village.cli(MANAGER, "volume", "create", "-d", "reberth", "-o", "clone-from=unused", "of-unused")

    assert refused.returncode != 0
    assert "volume unused" in refused.stderr
    assert village.cli(MANAGER, "volume", "rm", "unused").returncode == 0


def test_a_copy_made_from_the_command_line_outlives_its_source(village: Village, lab: Lab) -> None:
    """Asked for while a service uses the source, made when that is gone, used elsewhere when the source is gone."""
    village.make(Tiny("origin", "origin", SMALL, WORKER))
    village.runs("origin")
    inside(village, WORKER, "origin", "echo kept > /data/file; sync")
    made = village.cli(MANAGER, "volume", "create", "-d", "reberth", "-o", "clone-from=origin", "of-origin")
    assert made.returncode == 0, made.stderr
    assert not has_disk(lab, "of-origin")

    village.remove("origin")
    until(lambda: has_disk(lab, "of-origin"), "the copy is made")
    until(lambda: removed_by_hand(village, "origin"), "the source is removed")
    until(lambda: not has_disk(lab, "origin"), "its disk is gone")
    village.make(Tiny("heir", "of-origin", {"clone-from": "origin"}, MANAGER))
    village.runs("heir")

    assert inside(village, MANAGER, "heir", "cat /data/file") == "kept\n"


def removed_by_hand(village: Village, volume: str) -> bool:
    """By the controller's command: its disk is on no node, and only the one that has it may say `docker volume rm`."""
    container = village.cli(MANAGER, "ps", "-q", "-f", "name=reberth_controller").stdout.split()[0]
    return village.cli(MANAGER, "exec", container, "reberth", "remove", volume, "--yes").returncode == 0


def inside(village: Village, node: str, service: str, script: str) -> str:
    """A script in the service's container."""
    found = village.cli(node, "ps", "-q", "-f", f"label=com.docker.swarm.service.name={service}").stdout.split()
    done = village.cli(node, "exec", found[0], "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- who may have it


def test_a_second_service_on_another_node_is_refused_and_told_who_has_the_volume(village: Village) -> None:
    village.make(Tiny("here", "contested", node=MANAGER))
    village.runs("here")
    village.make(Tiny("there", "contested", node=WORKER))

    village.error("there", f"service here has it on {MANAGER}", "placement constraint")
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


# --- names


@pytest.mark.parametrize(
    "names",
    [
        ["a", "B" * 255, "under_score.dot-dash", "-rf", "..."],
        ["$(touch x)", "semi;colon && echo", "quote'\"`", "*?[a]", "%2e%2e%2f", "a b"],
        ["häuser", "データ", "файл-🐘"],
        ["a/b", "a:b", "..", "-", ",=", "<no value"],
    ],
    ids=["plain", "hostile", "unicode", "paths"],
)
def test_odd_names_work_or_are_refused_with_the_cure(village: Village, names: list[str]) -> None:
    refused: dict[str, str] = {}
    for number, name in enumerate(names):
        try:
            village.make(Tiny(f"odd-{number}", name))
        except APIError as error:
            refused[name] = str(error.explanation)
    made = [f"odd-{number}" for number, name in enumerate(names) if name not in refused]

    village.runs(*made)
    assert refused == {}


def test_a_name_of_256_characters_is_told_to_be_too_long(village: Village) -> None:
    village.make(Tiny("long", "x" * 256))

    village.error("long", "1 to 255 characters, this one has 256", "shorten the mount's source in the stack file")


# --- docker run, docker volume rm


def test_docker_run_is_told_that_volumes_are_for_services(village: Village, lab: Lab) -> None:
    image = village.scenario.stacks.variables["POSTGRES_IMAGE"]
    mount = "type=volume,source=byhand,target=/data,volume-driver=reberth,volume-opt=size=16MiB"
    done = village.cli(WORKER, "run", "--rm", "--mount", mount, image, "true")

    assert done.returncode != 0
    assert "volumes of this driver are for services" in done.stderr
    assert "not for `docker run`" in done.stderr
    assert not has_disk(lab, "byhand")


def test_the_disk_goes_with_docker_volume_rm_and_not_while_a_service_is_there(village: Village, lab: Lab) -> None:
    village.make(Tiny("keeper", "kept", node=WORKER))
    village.runs("keeper")
    used = village.cli(WORKER, "volume", "rm", "kept")
    assert (used.returncode, "in use" in used.stderr) == (1, True), used.stderr

    village.scale("keeper", 0)
    village.ended("keeper")
    stopped = village.cli(WORKER, "volume", "rm", "kept")
    assert "belongs to service keeper: remove the service first (`docker service rm`)" in stopped.stderr
    assert has_disk(lab, "kept")

    village.remove("keeper")
    removed = village.cli(WORKER, "volume", "rm", "kept")
    assert removed.returncode == 0, removed.stderr
    until(lambda: not has_disk(lab, "kept"), "the disk is deleted")


# --- who asks


# --- the installation


def test_a_controller_without_storage_says_what_to_configure(village: Village) -> None:
    """Last: the controller is another one afterwards."""
    village.without_storage()
    village.make(Tiny("homeless", "homeless", node=MANAGER))

    village.error("homeless", "no storage is configured", "[storage] of reberth.toml")
