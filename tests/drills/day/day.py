"""What all steps of the day share: the swarm, the ledger, the stacks as they are in the files."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from tests.drills.day.ledger import Ledger
from tests.drills.day.swarm import Service, Swarm

WORKER, MANAGER = "node.role==worker", "node.role==manager"


def _shop() -> dict[str, Service]:
    files = Service("files", "shop_files", {"size": "32MiB"}, (WORKER,))
    media = Service("media", "media", {"size": "320MiB", "fstype": "xfs"}, (WORKER,))
    database = Service("db", "shop_db", {"size": "640MiB"}, (MANAGER,), postgres=True)
    return {each.name: each for each in (files, media, database)}


@dataclass
class Day:
    swarm: Swarm
    ledger: Ledger
    shop: dict[str, Service] = field(default_factory=_shop)
    stack: str = "shop"
    shop_at_snapshot: dict[str, dict[str, str]] = field(default_factory=dict)
    before_restore: dict[str, str] = field(default_factory=dict)  # rows of the database
    gates: dict[str, str] = field(default_factory=dict)  # by node, before the upgrade

    def service(self, name: str) -> str:
        return f"{self.stack}_{name}"

    def deploy_shop(self, manager: str = "swarm01") -> None:
        self.swarm.deploy(self.stack, *self.shop.values(), manager=manager)
        self.swarm.answers(self.service("db"))

    def changed(self, name: str, **what: object) -> None:
        """In the stack file; not deployed yet."""
        self.shop[name] = replace(self.shop[name], **what)  # type: ignore[arg-type]

    def node_of(self, name: str) -> str:
        return self.swarm.newest_runs(self.service(name))

    def write_all(self, name: str) -> None:
        for volume, held in self.ledger.volumes.items():
            if held.service:
                self.ledger.write(volume, name)


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    act: Callable[[Day], None]


def unpacked(tar: bytes) -> dict[str, str]:
    """File -> digest."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as files:
        return {each.name.removeprefix("./"): _digest(files, each) for each in files if each.isfile()}


def _digest(files: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    data = files.extractfile(member)
    assert data is not None
    return hashlib.sha256(data.read()).hexdigest()


def other(nodes: Iterable[str], than: str) -> str:
    return next(each for each in nodes if each != than)
