"""The gate's settings: a few environment variables of the plugin (`docker plugin set reberth NAME=VALUE`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.names import DEFAULT_PORT
from controller.protocol.addresses import read_port


@dataclass(frozen=True, slots=True)
class GateSettings:
    """
    ``problem`` is a sentence about a bad value. The gate starts all the same (dockerd 20.10 panics at its own start
    if a plugin with volumes does not), and answers with it.
    """

    docker_root: Path = Path("/docker")
    socket: Path = Path("/run/docker/plugins/reberth.sock")
    mount_root: Path = Path("/mnt/volumes")
    state_file: Path = Path("/plugins/reberth/gate.json")  # the node's: see `plugin_config`
    port: int = DEFAULT_PORT
    problem: str | None = None

    @property
    def certificates(self) -> Path:
        return self.docker_root / "swarm" / "certificates"


def read_settings(env: Mapping[str, str]) -> GateSettings:
    """Never raises; a bad value becomes ``problem``."""
    defaults = GateSettings()
    port, problem = read_port(env)

    def path(name: str, default: Path) -> Path:
        return Path(env.get(name) or default)

    return GateSettings(
        docker_root=path("REBERTH_DOCKER_ROOT", defaults.docker_root),
        socket=path("REBERTH_GATE_SOCKET", defaults.socket),
        mount_root=path("REBERTH_MOUNT_ROOT", defaults.mount_root),
        state_file=path("REBERTH_GATE_STATE", defaults.state_file),
        port=port,
        problem=problem,
    )
