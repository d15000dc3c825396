"""What a person expects after each step, and whether data, `reberth status`, Swarm and the storage agree with it."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import wait_for
from deploy.lab.names import Layout
from tests.drills.day.swarm import NODES, Swarm

MIB = 2**20
SETTLES = 60.0  # seconds until what is said is what is so
LISTED = ("volume", "ls", "--format", "{{.Driver}} {{.Name}}")


@dataclass(slots=True)
class Held:
    """
    One volume. ``service``: which uses it now; empty for none. ``kept``: what is in it, a file or row and its digest.
    """

    size: int
    service: str = ""
    postgres: bool = False
    kept: dict[str, str] = field(default_factory=dict)
    warned: str = ""  # words of a warning that is due


class Ledger:
    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self.volumes: dict[str, Held] = {}
        self.snapshots: dict[str, set[str]] = {}  # by volume
        self.drained: set[str] = set()

    # -- what is done to volumes

    def begins(self, volume: str, size: int, service: str = "", *, postgres: bool = False) -> None:
        self.volumes[volume] = Held(size * MIB, service, postgres)

    def write(self, volume: str, name: str) -> None:
        """A file, or a row, of that name and a number; it is on the disk when this returns."""
        held, swarm = self.volumes[volume], self._swarm
        name = f"{len(held.kept)}-{name}"
        digest = hashlib.sha256(f"{volume} {name} {time.time()}".encode()).hexdigest()
        if held.postgres:
            swarm.sql(held.service, "CREATE TABLE IF NOT EXISTS kept (name text PRIMARY KEY, digest text)")
            swarm.sql(held.service, f"INSERT INTO kept VALUES ('{name}', '{digest}')")  # noqa: S608 -- own words
            held.kept[name] = digest
            return
        data = digest.encode() * 4096
        swarm.inside(held.service, "sh", "-c", f"cat >/data/{name} && sync /data/{name}", given=data)
        held.kept[name] = hashlib.sha256(data).hexdigest()

    # -- whether it is so

    def data(self) -> Iterator[str]:
        for name, held in self.volumes.items():
            found = self._rows(held) if held.postgres else self._files(name, held)
            if found != held.kept:
                yield f"volume {name} has {_short(found)}, and should have {_short(held.kept)}"

    def _rows(self, held: Held) -> dict[str, str]:
        self._swarm.answers(held.service)
        if self._swarm.sql(held.service, "SELECT to_regclass('kept') IS NULL") == "t":
            return {}
        return self.rows(held.service)

    def rows(self, service: str) -> dict[str, str]:
        lines = self._swarm.sql(service, "SELECT name || ' ' || digest FROM kept").splitlines()
        return {name: digest for name, _, digest in (line.partition(" ") for line in lines)}

    def _files(self, name: str, held: Held) -> dict[str, str]:
        if not held.service:
            return self._on_disk(name)
        script = "cd /data && find . -type f | xargs -r sha256sum"
        lines = self._swarm.inside(held.service, "sh", "-c", script).splitlines()
        return {path.removeprefix("./"): digest for digest, _, path in (line.partition("  ") for line in lines)}

    def _on_disk(self, name: str) -> dict[str, str]:
        """Of a volume that no container has, as the storage keeps it."""
        image = self._image(self._lines()[name]["disk"])
        with tempfile.TemporaryDirectory() as folder:
            mount = ["mount", "-o", "loop,ro,noload", str(image), folder]
            if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
                return {}  # never used: nothing is on it
            try:
                files = [each for each in Path(folder, "data").rglob("*") if each.is_file()]
                root = Path(folder, "data")
                return {str(each.relative_to(root)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}
            finally:
                subprocess.run(["umount", folder], check=True)

    def _image(self, disk: str) -> Path:
        layout = Layout(self._swarm.lab.spec.name)
        found = [*layout.pool.glob(f"{disk}.img"), *layout.machines.glob(f"*/{disk}.img")]
        assert len(found) == 1, f"disk {disk} is at {found}"
        return found[0]

    def _lines(self) -> dict[str, Any]:
        return {each["volume"]: each for each in self._swarm.asked("status")["volumes"]}

    def status(self) -> list[str]:
        """Waits until all agree; what does not to the end."""
        try:
            wait_for(lambda: "; ".join(self._status()), SETTLES, 1.0)
        except DrillError as error:
            return [str(error)]
        return []

    def _status(self) -> Iterator[str]:
        told = self._swarm.asked("status")
        lines = {each["volume"]: each for each in told["volumes"]}
        yield from (f"unread: {each}" for each in told["unread"])
        if lines.keys() != self.volumes.keys():
            yield f"status has the volumes {sorted(lines)}, and should have {sorted(self.volumes)}"
            return
        attachments = self._swarm.lab.attachments()
        for name, line in lines.items():
            yield from (f"{name}: {each}" for each in self._volume(self.volumes[name], line, attachments))
        yield from self._nodes(told["nodes"])
        yield from self._disks({each["disk"] for each in lines.values()} - {"", None})
        yield from self._docker()

    def _volume(self, held: Held, line: Mapping[str, Any], attachments: Mapping[str, str]) -> Iterator[str]:
        if line["size_bytes"] != held.size:
            yield f"size {line['size_bytes']}, should be {held.size}"
        warned = " ".join(line["warnings"])
        if (held.warned not in warned) if held.warned else warned:
            yield f"warnings {line['warnings']}, should be {held.warned or 'none'}"
        vm, machines = attachments.get(line["disk"], ""), {each.vm: each.name for each in self._swarm.lab.nodes}
        runs = self._swarm.newest_runs(held.service) if held.service else ""
        if line["state"] != "ok":
            yield f"state {line['state']}: {line['reason']}"
        if held.service and not line["node"] == machines.get(vm) == runs:
            yield f"status says node {line['node']}, the storage {machines.get(vm)}, Swarm {runs}"
        if not held.service and (line["node"] or "") != machines.get(vm, ""):
            yield f"status says idle on {line['node']}, the storage {machines.get(vm)}"

    def _nodes(self, lines: list[Mapping[str, Any]]) -> Iterator[str]:
        if sorted(each["node"] for each in lines) != sorted(NODES):
            yield f"status has the nodes {[each['node'] for each in lines]}"
        for each in lines:
            if each["concerns"] or each["labelled"]:
                yield f"node {each['node']}: {each['concerns']} {each['labelled']}"

    def _disks(self, used: set[str]) -> Iterator[str]:
        """Nothing is left in the storage that no volume has, and no snapshot."""
        listed = self._swarm.asked("snapshot", "list")["snapshots"]
        names: dict[str, set[str]] = {}
        for each in listed:
            names.setdefault(each["volume"], set()).add(each["name"])
            if each["state"] != "there":
                yield f"snapshot {each['name']} of {each['volume']} is {each['state']}: {each['why']}"
        if names != self.snapshots:
            yield f"snapshots {names}, should be {self.snapshots}"
        there = {each["id"] for each in self._swarm.lab.host.call("GET", "/v1/disks")}
        should = used | {each["disk"] for each in listed}
        if there != should:
            yield f"the storage has {sorted(there - should)} too much, and lacks {sorted(should - there)}"

    def _docker(self) -> Iterator[str]:
        """Each node knows the same names, each once and as ours."""
        should = sorted(f"reberth:latest {name}" for name in self.volumes)
        for node in NODES:
            listed = self._swarm.docker(node, *LISTED).splitlines()
            found = sorted(each for each in listed if "reberth" in each or each.split()[1] in self.volumes)
            if found != should:
                yield f"docker volume ls on {node}: {found}, should be {should}"


def _short(kept: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={digest[:8]}" for name, digest in sorted(kept.items())) or "nothing"
