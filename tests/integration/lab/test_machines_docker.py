"""A Docker that the machine runs already, beside ours."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.images.builder import builder
from deploy.lab.kernel.idle_bridge import bridge_of
from deploy.lab.kernel.network import exists, run


def test_building_images_leaves_the_bridge_of_the_machines_own_docker_alone(tmp_path: Path) -> None:
    """A dockerd with ``--bridge=none`` deletes it when it starts."""
    made = not exists("docker0")
    if made:
        run("ip", "link", "add", "docker0", "type", "bridge")
    index = Path("/sys/class/net/docker0/ifindex").read_text()
    try:
        with builder(tmp_path / "builder", "127.0.0.1:1"):
            assert Path("/sys/class/net/docker0/ifindex").read_text() == index
    finally:
        if made:
            run("ip", "link", "delete", "docker0", check=False)
    assert not exists(bridge_of(tmp_path / "builder")[0])
