"""
A lab: a whole Swarm on one machine, found by its name from any process. See docs/lab-api.md.

Blocking. What can be observed is asked of the kernel; ``lab.json`` holds only the spec and the machines' names.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import msgspec

from deploy.lab import cleanup, registry, swarm
from deploy.lab.hypervisor_client import HostControl
from deploy.lab.kernel import cgroups, network, processes
from deploy.lab.names import LabError, LabNode, LabRecord, LabSpec, Layout

__all__ = ["Lab", "LabError", "LabNode", "LabSpec"]

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Lab:
    spec: LabSpec
    nodes: tuple[LabNode, ...]

    @classmethod
    def find(cls, name: str) -> Lab | None:
        """The lab of this name, in whatever state; None when there is none."""
        record = _read_record(Layout(name))
        return None if record is None else cls(record.spec(), record.nodes())

    @classmethod
    def up(cls, spec: LabSpec, progress: Progress = _silent, ground: Callable[[Path], None] | None = None) -> Lab:
        """
        Make the lab, or complete and start the one that is there. May be interrupted anywhere: run it again, or down().

        ``ground`` gets the folder of the disks, before anything is in it. Raises LabError.
        """
        spec = replace(spec, cache=Path(spec.cache).resolve())
        spec.check()
        if os.geteuid() != 0:
            raise LabError("A lab needs root: it makes namespaces, mounts and loop devices.")
        record = _ensure_record(spec)
        lab = cls(spec, record.nodes())
        if ground is not None:
            ground(lab._layout.storage)
        lab._start(progress)
        return lab

    def _start(self, progress: Progress) -> None:
        network.make_bridge(self.spec, self._layout)
        registry.start(self._layout, self.spec)
        progress(f"The network {self.spec.subnet} and the registry {self.registry} are there.")
        self.host.start()
        for role in ("host", "registry"):
            for pid in processes.marked(self.spec.name, role):
                cgroups.adopt(self._layout.cgroup, role, pid)  # out of the session that runs us
        progress(f"The machine host answers at {self.host.url}.")
        self._on_all(self._boot)
        progress(f"{len(self.nodes)} machines are on, with a dockerd each.")
        swarm.form(self.nodes, self.spec.heartbeat, progress)
        swarm.wait_until_ready(self.nodes[0], len(self.nodes))
        progress(f"The swarm is ready: {self.spec.managers} managers, {self.spec.workers} workers.")

    def _boot(self, node: LabNode) -> None:
        self.host.act(node.name, "power-on")
        swarm.wait_for_dockerd(self._layout, node)

    def _on_all(self, act: Callable[[LabNode], None]) -> None:
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
            list(pool.map(act, self.nodes))

    @property
    def _layout(self) -> Layout:
        return Layout(self.spec.name)

    @property
    def host(self) -> HostControl:
        return HostControl(self._layout, self.spec)

    @property
    def registry(self) -> str:
        return registry.address(self.spec)

    def node(self, name: str) -> LabNode:
        """Raises LabError for a name that is not in the lab."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"The lab has no node {name!r}; it has {', '.join(node.name for node in self.nodes)}.")

    def docker(self, node: str, timeout: float = 60) -> docker.DockerClient:
        """A client of the node's dockerd; close it after use."""
        return swarm.client(self.node(node).socket, timeout)

    def environment(self, node: str) -> dict[str, str]:
        """For the docker CLI: this process's environment, pointed at the node's dockerd."""
        return {**os.environ, "DOCKER_HOST": f"unix://{self.node(node).socket}"}

    def exec(
        self, node: str, command: Sequence[str], *, timeout: float | None = 120, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the node, with ``text`` as its input. Raises LabError when it is off or starting."""
        return subprocess.run(
            self.exec_command(node, command),
            capture_output=True,
            input=text,
            text=True,
            timeout=timeout,
            check=False,
            env=_plain_environment(os.environ),
        )

    def exec_command(self, node: str, command: Sequence[str]) -> list[str]:
        """What to run outside to run ``command`` inside the node."""
        init = processes.node_init(self.spec.name, self.node(node).name)
        if init is None:
            raise LabError(f"{node} is off: `reberth lab power-on {node}` starts it.")
        if not self._layout.node_booted(node).exists():
            raise LabError(f"{node} is still starting: a command in it would see the machine's files, not the node's.")
        return ["nsenter", "--target", str(init), "--mount", "--uts", "--ipc", "--net", "--pid", "--", *command]

    def power(self, node: str) -> str:
        """on, off or frozen."""
        return self.host.power(self.node(node).name)

    def attachments(self) -> dict[str, str]:
        """Disk -> VM that has it."""
        try:
            return {held["disk"]: held["vm"] for held in self.host.call("GET", "/v1/attachments")}
        except OSError as error:
            raise LabError(f"The machine host does not answer ({error}): `reberth lab up` starts it again.") from error

    def power_off(self, node: str) -> None:
        """Returns when every process of the node is gone and its disks are free."""
        self.host.act(self.node(node).name, "power-off")

    def power_on(self, node: str) -> None:
        """Returns when commands can run in the node; its dockerd needs some seconds more."""
        self.host.act(self.node(node).name, "power-on")

    def freeze(self, node: str) -> None:
        self.host.act(self.node(node).name, "freeze")

    def thaw(self, node: str) -> None:
        self.host.act(self.node(node).name, "thaw")

    def cut(self, node: str) -> None:
        self.host.act(self.node(node).name, "cut")

    def heal(self, node: str) -> None:
        self.host.act(self.node(node).name, "heal")

    def misbehave(self, kind: str) -> None:
        """From now on the storage does so towards drivers (`hypervisor/mischief.py`); nothing for well."""
        self.host.call("POST", "/control/mischief", {"kind": kind})

    def down(self) -> None:
        """Nothing is left but the image cache. Safe from any state, and twice."""
        cleanup.down(self.spec.name)

    @staticmethod
    def remove(name: str) -> None:
        """down() for a lab whose records may be lost."""
        cleanup.down(name)

    @staticmethod
    def leftovers(name: str) -> tuple[str, ...]:
        """What of the lab is still on the machine, one phrase each; empty after down()."""
        return cleanup.leftovers(name)

    @staticmethod
    def names() -> Iterable[str]:
        """All labs that have a process or a folder on this machine."""
        return cleanup.labs()


def _plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what only makes sense outside: the nodes have no way to a proxy, nor this shell's Docker."""
    return {
        name: value
        for name, value in environment.items()
        if not name.lower().endswith("_proxy") and not name.startswith("DOCKER_")
    }


def _read_record(layout: Layout) -> LabRecord | None:
    try:
        return msgspec.json.decode(layout.record.read_bytes(), type=LabRecord)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise LabError(f"{layout.record} cannot be read ({error}): `reberth lab down` removes the lab.") from error


def _ensure_record(spec: LabSpec) -> LabRecord:
    layout = Layout(spec.name)
    record = _read_record(layout)
    if record is not None:
        if replace(record.spec(), cache=spec.cache) != spec:
            raise LabError(f"The lab {spec.name!r} is up with other settings: take it down first (`reberth lab down`).")
        return record
    cleanup.down(spec.name)  # what an interrupted one left without a record
    layout.run.mkdir(parents=True, exist_ok=True)
    layout.run.chmod(0o700)
    layout.token.touch(mode=0o600)
    layout.token.write_text(f"{secrets.token_urlsafe(32)}\n")
    count = spec.managers + spec.workers
    record = LabRecord(
        name=spec.name,
        managers=spec.managers,
        workers=spec.workers,
        heartbeat=spec.heartbeat,
        subnet=str(spec.network),
        cache=str(spec.cache),
        vms=tuple(str(uuid.uuid4()) for _ in range(count)),
    )
    new = layout.record.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(record))
    new.rename(layout.record)
    return record
