"""
What a lab is called on the machine: its spec, its folders, its network names.

Everything of a lab can be found by these names alone, so that a lab whose records are lost can still be taken down.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

RUN_ROOT = Path("/run/reberth-lab")  # truth of labs: gone with the machine's boot, as their processes are
STORE_ROOT = Path("/var/lib/reberth-lab")  # what is too big for /run: data roots of the nodes, disks
MARK = "REBERTH_LAB"  # environment of every process of a lab: its name
ROLE = "REBERTH_LAB_ROLE"  # "host", "registry" or "node:<name>"
HOST_PORT = 7070
REGISTRY_PORT = 5000
FIRST_NODE = 11  # swarm01 is .11 of the subnet
MAX_NODES = 60

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")
_HEARTBEAT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)")
_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9}


class LabError(Exception):
    """Something about the lab could not be done: one sentence, with the cure where there is one."""


def heartbeat_ns(text: str) -> int:
    """Nanoseconds of a duration as Docker writes it (``5s``, ``500ms``). Raises LabError."""
    found = _HEARTBEAT.fullmatch(text)
    if found is None or float(found[1]) <= 0:
        raise LabError(f"The heartbeat {text!r} is no duration: write it as 5s, 500ms or 1m.")
    return int(float(found[1]) * _NANOSECONDS[found[2]])


@dataclass(frozen=True, slots=True)
class LabSpec:
    name: str = "reberth"
    managers: int = 3
    workers: int = 0
    heartbeat: str = "5s"  # of Swarm's dispatcher: a node is down after three
    subnet: str = "10.77.0.0/24"
    cache: Path = field(default=Path(".cache"))

    def check(self) -> None:
        """Raises LabError that names the field and the cure."""
        if not _NAME.fullmatch(self.name):
            raise LabError(f"The lab's name {self.name!r} must be 1 to 24 of a-z, 0-9 and '-'.")
        if self.managers < 1 or self.workers < 0:
            raise LabError("A lab needs at least one manager, and cannot have fewer than 0 workers.")
        if self.managers + self.workers > MAX_NODES:
            raise LabError(f"A lab has at most {MAX_NODES} nodes.")
        heartbeat_ns(self.heartbeat)
        try:
            network = ipaddress.IPv4Network(self.subnet)
        except ValueError as error:
            raise LabError(f"The subnet {self.subnet!r} is no IPv4 network: {error}.") from error
        if network.prefixlen > 24:
            raise LabError(f"The subnet {self.subnet} is too small: take a /24.")

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.subnet)

    @property
    def gateway(self) -> str:
        """The bridge's address: machine host and registry listen there."""
        return str(self.network[1])


@dataclass(frozen=True, slots=True)
class LabNode:
    name: str
    address: str
    vm: str  # UUID of the machine, lower case with hyphens
    manager: bool
    socket: Path  # its dockerd, as reached from outside


class LabRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``lab.json``: all that a process needs to work with a lab that another one made."""

    name: str
    managers: int
    workers: int
    heartbeat: str
    subnet: str
    cache: str
    vms: tuple[str, ...]  # in the order of the nodes

    def spec(self) -> LabSpec:
        return LabSpec(self.name, self.managers, self.workers, self.heartbeat, self.subnet, Path(self.cache))

    def nodes(self) -> tuple[LabNode, ...]:
        spec, layout = self.spec(), Layout(self.name)
        return tuple(
            LabNode(
                name=node_name(index),
                address=str(spec.network[FIRST_NODE + index]),
                vm=vm,
                manager=index < self.managers,
                socket=layout.node_run(node_name(index)) / "docker.sock",
            )
            for index, vm in enumerate(self.vms)
        )


def node_name(index: int) -> str:
    return f"swarm{index + 1:02d}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders and names of one lab. ``run``: what one boot of the machine knows; ``store``: what is big."""

    lab: str

    @property
    def run(self) -> Path:
        return RUN_ROOT / self.lab

    @property
    def store(self) -> Path:
        return STORE_ROOT / self.lab

    @property
    def record(self) -> Path:
        return self.run / "lab.json"

    @property
    def token(self) -> Path:
        return self.run / "token"

    @property
    def control(self) -> Path:
        return self.run / "host.sock"

    @property
    def storage(self) -> Path:
        """All disks, attached or not: one file system."""
        return self.store / "storage"

    @property
    def pool(self) -> Path:
        """Disks that are attached nowhere."""
        return self.storage / "disks"

    @property
    def machines(self) -> Path:
        """One folder per VM: its attached disks and its epoch stamp."""
        return self.storage / "vms"

    def node(self, name: str) -> Path:
        return self.run / "nodes" / name

    def node_run(self, name: str) -> Path:
        """Becomes /run inside the node; made anew at each boot."""
        return self.node(name) / "run"

    def node_booted(self, name: str) -> Path:
        """There once a command inside the node sees the node's own files, devices and network."""
        return self.node_run(name) / "reberth-lab/booted"

    def node_dev(self, name: str) -> Path:
        """A tmpfs that is /dev inside the node: the machine host puts disks in and takes them out."""
        return self.node(name) / "dev"

    def node_store(self, name: str) -> Path:
        return self.store / "nodes" / name

    @property
    def bridge(self) -> str:
        # Interface names have 15 characters at most, labs' names may have more.
        return "rbl" + hashlib.sha256(self.lab.encode()).hexdigest()[:6]

    def veth(self, name: str) -> str:
        return f"{self.bridge}n{int(name.removeprefix('swarm')):02d}"

    @property
    def cgroup(self) -> str:
        return f"reberth-lab-{self.lab}"
