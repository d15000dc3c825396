"""The gate as a plugin: what is in it, what it asks of a node, when it is exchanged."""

from __future__ import annotations

import json

import pytest

from controller.gate.plugin import (
    CONTENT,
    Installed,
    PluginSettings,
    Step,
    decide,
    left_out,
    mount_points,
    passed_on,
    plugin_config,
)

REAL = PluginSettings(docker_root="/var/lib/docker", environment={"REBERTH_PORT": "7490"})


def test_the_only_bind_sources_on_a_real_node_are_always_there() -> None:
    """dockerd 20.10 panics at start when a source is missing, so a real node's config names two that never are."""
    config = json.loads(json.dumps(plugin_config(REAL, "abc")))

    assert [mount["source"] for mount in config["mounts"]] == ["/dev", "/var/lib/docker"]


def test_the_gate_cannot_write_to_dockers_folder_nor_hold_containers_mounts() -> None:
    """Docker's root is bound without its sub-mounts, read-only, and without mounts that appear there later."""
    config = json.loads(json.dumps(plugin_config(REAL, "abc")))

    docker = next(mount for mount in config["mounts"] if mount["destination"] == "/docker")

    assert set(docker["options"]) == {"bind", "ro", "private"}


def test_the_labs_folder_is_bound_only_when_the_node_service_is_told() -> None:
    """The folder with the lab's identity files shows at its own path, and the files' names are passed on."""
    settings = PluginSettings(
        "/var/lib/docker",
        passed_on({"REBERTH_VM_UUID_FILE": "/run/reberth-lab/vm-uuid", "HOME": "/", "REBERTH_PORT": ""}),
        "/run/reberth-lab",
    )
    config = json.loads(json.dumps(plugin_config(settings, "abc")))

    assert config["mounts"][2]["source"] == config["mounts"][2]["destination"] == "/run/reberth-lab"
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
        (Installed(False, "new"), RUNNING, Step.WAIT),
        (Installed(True, "old"), (), Step.REPLACE),
        (Installed(True, "old"), RUNNING, Step.WAIT),
        (Installed(False, "old"), (), Step.REPLACE),
        (Installed(False, "old"), RUNNING, Step.WAIT),
        (Installed(True, ""), (), Step.REPLACE),
    ],
)
def test_the_gate_is_touched_only_while_no_container_uses_a_volume(
    installed: Installed | None, users: tuple[str, ...], step: Step
) -> None:
    """A gate that starts cannot see a mount that a running container holds, so it waits and says for whom."""
    decision = decide(installed, "new", users)

    assert decision.step is step
    assert step is not Step.WAIT or "db.1" in decision.why
