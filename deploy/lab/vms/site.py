"""What a lab of virtual machines stands on: its network, its libvirtd, the ways to its guests; and its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.lab import cleanup, registry
from deploy.lab.kernel import network, processes
from deploy.lab.names import FIRST_NODE, MARK, ROLE, LabError, LabNode, LabSpec, Layout, node_name
from deploy.lab.vms import pki
from deploy.lab.vms.daemon import Daemon, Listen, define_pool
from deploy.lab.vms.domain import EMULATOR, MEMORY
from deploy.lab.vms.lab import VmsLab, explained

Progress = Callable[[str], None]
_DEATH_SECONDS = 30.0


def daemon(spec: LabSpec) -> Daemon:
    # Below the store: a libvirtd of its own has its own /run.
    return Daemon(Layout(spec.name).store / "libvirt", own_network=False, listen=Listen(spec.gateway, pki.CLIENT))


def open_ground(spec: LabSpec, progress: Progress) -> None:
    """What is there before any machine: the network and the registry. Raises LabError."""
    layout = Layout(spec.name)
    layout.run.mkdir(parents=True, exist_ok=True)
    layout.run.chmod(0o700)
    network.make_bridge(spec, layout)
    # Guests that were saved know the machine by this address.
    network.run("ip", "link", "set", layout.bridge, "address", "52:54:00:00:00:01")
    registry.start(layout, spec)
    progress(f"The network {spec.subnet} and the registry {registry.address(spec)} are there.")


def check(spec: LabSpec, progress: Progress) -> None:
    """Raises LabError when there can be no such lab, before anything is made. What a dead one left is removed."""
    spec.check()
    if os.geteuid() != 0:
        raise LabError("A lab of virtual machines needs root: it makes a bridge and starts a libvirtd of its own.")
    if dead := cleanup.remove_dead(spec.name):
        progress(f"Removed what a lab {spec.name!r} left that was not taken down: {'; '.join(dead)}.")
    if left := cleanup.leftovers(spec.name):
        raise LabError(
            f"There is a lab {spec.name!r} already, kept by an earlier drill or made by hand ({left[0]}): remove it "
            f"with `reberth lab down --name {spec.name}`, or choose another with --name and --subnet."
        )
    wanted = spec.managers * (MEMORY + EMULATOR)
    free = _available_memory()
    if free < wanted:
        raise LabError(f"{spec.managers} virtual machines need {wanted} MiB of memory, and {free} MiB are free.")


def _available_memory() -> int:
    """MiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) // 1024


def start(spec: LabSpec, vms: Sequence[str]) -> VmsLab:
    """The libvirtd and the ways to the guests' engines; certificates must be there. Raises LabError."""
    ours = daemon(spec)
    layout = Layout(spec.name)
    ours.start_apart(_marks(layout, "libvirtd"))
    connection = ours.connect()
    with explained():
        define_pool(connection, layout.pool)
    nodes = tuple(_node(spec, layout, index, vm) for index, vm in enumerate(vms))
    for node in nodes:
        layout.node_store(node.name).mkdir(parents=True, exist_ok=True)
    routes = [f"{node.socket}={node.address}" for node in nodes]
    with (layout.store / "forward.log").open("wb") as log:
        subprocess.run(
            ["setsid", "--fork", sys.executable, "-m", "deploy.lab.vms.forward", *routes],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **_marks(layout, "forward")},
            check=True,
        )
    return VmsLab(spec, nodes, connection)


def _marks(layout: Layout, role: str) -> dict[str, str]:
    return {MARK: layout.lab, ROLE: role}


def _node(spec: LabSpec, layout: Layout, index: int, vm: str) -> LabNode:
    name = node_name(index)
    address = str(spec.network[FIRST_NODE + index])
    return LabNode(name, address, vm, manager=True, socket=layout.node_run(name) / "docker.sock")


def down(name: str) -> None:
    """Nothing is left but the cache; returns when the last QEMU is gone. Raises LabError."""
    guests = [
        each for pid in processes.marked(name, "libvirtd") if processes.apart(pid) for each in processes.members(pid)
    ]
    cleanup.down(name)
    for pid in guests:
        processes.wait_gone(pid, _DEATH_SECONDS)
