"""What a lab puts in place of a user's own values, when deploy/stack.yml and the examples are deployed on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.lab.hypervisor.disks import can_reflink
from deploy.lab.images.images import Images
from deploy.lab.lab import Lab
from deploy.lab.names import Layout

DEPLOY = Path(__file__).resolve().parents[1]

_SETTINGS = """\
{docker}[storage]
driver = "lab"

[storage.lab]
url = "{url}"
token_file = "/run/secrets/storage"
snapshots = {snapshots}

[volumes]
keep_removed = 0
"""


@dataclass(frozen=True, slots=True)
class StackValues:
    """
    ``files`` for `docker stack deploy`, ``variables`` for its environment; ``configs`` and ``secrets`` are to be made
    before, by name. A database password is the user's to add, as the secret ``postgres-password``.
    """

    files: tuple[Path, ...]
    variables: Mapping[str, str]
    configs: Mapping[str, bytes]
    secrets: Mapping[str, bytes]


class Route(Protocol):
    """Other addresses than the usual ones, under which controllers reach Docker and the machine host."""

    @property
    def docker(self) -> str: ...
    @property
    def storage(self) -> str: ...


def stack_values(
    lab: Lab, images: Images, restart_delay: str = "5s", route: Route | None = None, policy: str = ""
) -> StackValues:
    """``policy``: the section of that name, as TOML."""
    docker = f'docker = "{route.docker}"\n' if route is not None else ""
    storage = route.storage if route is not None else lab.host.url
    snapshots = str(can_reflink(Layout(lab.spec.name).pool)).lower()
    return StackValues(
        files=(DEPLOY / "stack.yml", DEPLOY / "lab" / "stack.lab.yml"),
        variables={
            "REBERTH_IMAGE": images.reberth,
            "POSTGRES_IMAGE": images.postgres,
            "REBERTH_PROBE": "1",
            "RESTART_DELAY": restart_delay,
        },
        configs={
            "reberth-config": (_SETTINGS.format(docker=docker, url=storage, snapshots=snapshots) + policy).encode()
        },
        secrets={"reberth-storage": Path(lab.host.token_file).read_bytes().strip()},
    )
