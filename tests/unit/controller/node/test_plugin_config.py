"""The gate as a plugin: what is in it, what it asks of a node, when it is exchanged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from controller.gate.settings import GateSettings
from controller.node.plugin_config import (
    CONTENT,
    Installed,
    PluginSettings,
    Step,
    decide,
    left_out,
    mount_points,
    own_container,
    passed_on,
    plugin_config,
)

REAL = PluginSettings(docker_root="/var/lib/docker", environment={"REBERTH_PORT": "7490"})


def test_the_only_bind_sources_on_a_real_node_are_always_there() -> None:
    """dockerd 20.10 panics at start when a source is missing, so a real node's config names three that never are."""
    config = json.loads(json.dumps(plugin_config(REAL, "abc")))

    assert [mount["source"] for mount in config["mounts"]] == [
        "/dev",
        "/var/lib/docker",
        "/var/lib/docker/plugins",
    ]


def test_the_gate_cannot_write_to_dockers_folder_nor_hold_containers_mounts() -> None:
    """Docker's root is bound without its sub-mounts, read-only, and without mounts that appear there later."""
    config = json.loads(json.dumps(plugin_config(REAL, "abc")))

    docker = next(mount for mount in config["mounts"] if mount["destination"] == "/docker")

    assert set(docker["options"]) == {"bind", "ro", "private"}


@pytest.mark.parametrize(("luns", "more"), [(False, []), (True, ["CAP_SYS_RAWIO"])])
def test_the_gate_may_ask_disks_for_their_keys_only_where_there_are_luns(luns: bool, more: list[str]) -> None:
    config = json.loads(json.dumps(plugin_config(replace(REAL, luns=luns), "abc")))

    assert config["linux"]["capabilities"] == ["CAP_SYS_ADMIN", *more]


def test_the_gate_remembers_in_a_place_that_outlives_the_plugin() -> None:
    """`docker plugin rm -f` ends no container: the next gate must still know what they hold."""
    config = json.loads(json.dumps(plugin_config(REAL, "abc")))
    bound = {mount["destination"]: mount for mount in config["mounts"]}

    kept = bound[str(GateSettings().state_file.parents[1])]

    assert (kept["source"], set(kept["options"])) == ("/var/lib/docker/plugins", {"bind", "rw", "private"})


def test_the_labs_folder_is_bound_only_when_the_node_service_is_told() -> None:
    """The folder with the lab's identity files shows at its own path, and the files' names are passed on."""
    settings = PluginSettings(
        "/var/lib/docker",
        passed_on({"REBERTH_VM_UUID_FILE": "/run/reberth-lab/vm-uuid", "HOME": "/", "REBERTH_PORT": ""}),
        "/run/reberth-lab",
    )
    config = json.loads(json.dumps(plugin_config(settings, "abc")))

    assert config["mounts"][3]["source"] == config["mounts"][3]["destination"] == "/run/reberth-lab"
    assert {one["name"]: one["value"] for one in config["env"]} == {
        "REBERTH_VM_UUID_FILE": "/run/reberth-lab/vm-uuid",
        CONTENT: "abc",
    }


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("proc", False),
        ("proc/1", True),
        ("dev/sda", True),
        ("run/secrets/token", True),
        ("tmp/alive", True),
        ("root/.cache", True),
        ("var/lib/apt/lists", True),
        ("usr/share/doc/bash", True),
        ("usr/share/doc", False),
        ("usr/share/docker", False),
        ("opt/reberth/bin/reberth", False),
        ("usr/sbin/mkfs.ext4", False),
        ("etc/ssl/certs", False),
        ("var/lib/reberth", False),
        ("runner/x", False),
        ("usr/lib/x86_64-linux-gnu/libicudata.so.72.1", True),
        ("usr/lib/x86_64-linux-gnu/libblkid.so.1", False),
        ("usr/bin/python3.11", False),
        ("opt/reberth/lib/python3.11/site-packages/pyVmomi/types.py", True),
    ],
)
def test_what_stays_out_of_the_plugin(path: str, out: bool) -> None:
    """The container's own folders, caches and documents stay out; programs and configuration stay in."""
    assert left_out(path) is out


def test_mount_points_are_read_from_the_kernels_table() -> None:
    """Each mount point is known relative to the root, odd characters unescaped, and the root itself is none."""
    table = (
        "1 0 0:1 / / ro - overlay overlay rw\n"
        "2 1 0:2 / /proc rw - proc proc rw\n"
        "3 1 8:1 /x /etc/with\\040space rw - ext4 /dev/sda rw\n"
    )

    assert mount_points(table) == {"proc", "etc/with space"}


RUNNING = ("db.1",)


@pytest.mark.parametrize(
    ("installed", "users", "step"),
    [
        (None, (), Step.CREATE),
        (None, RUNNING, Step.WAIT),
        (Installed(True, "new"), (), Step.NOTHING),
        (Installed(True, "new"), RUNNING, Step.NOTHING),
        (Installed(False, "new"), (), Step.ENABLE),
        (Installed(False, "new"), RUNNING, Step.ENABLE),
        (Installed(True, "old"), (), Step.REPLACE),
        (Installed(True, "old"), RUNNING, Step.WAIT),
        (Installed(False, "old"), (), Step.REPLACE),
        (Installed(False, "old"), RUNNING, Step.ENABLE),
        (Installed(True, ""), (), Step.REPLACE),
    ],
)
def test_the_gate_is_exchanged_only_while_no_container_uses_a_volume(
    installed: Installed | None, users: tuple[str, ...], step: Step
) -> None:
    """Nobody could mount meanwhile, so it waits and says for whom; one that was disabled is enabled at once."""
    decision = decide(installed, "new", users)

    assert decision.step is step
    assert step is not Step.WAIT or "db.1" in decision.why


def test_container_knows_itself_by_the_folder_of_its_host_name() -> None:
    """Elsewhere, on a machine or in another engine, nothing is guessed."""
    own = "4c01db0b339c" + "0" * 52
    line = f"1 2 0:1 /var/lib/docker/containers/{own}/hostname /etc/hostname rw - ext4 /dev/vda1 rw"

    assert own_container(f"3 4 0:2 / /proc rw - proc proc rw\n{line}\n") == own
    assert own_container("1 2 8:1 /containers/short/hostname /etc/hostname rw - ext4 /dev/sda1 rw") is None
