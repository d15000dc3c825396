"""
A Swarm of virtual machines: the lab of a drill on which a disk is really unplugged and a page cache really lost.

Names, folders and clean-up are those of every lab (`deploy/lab/names.py`, `deploy/lab/cleanup.py`): `reberth lab down`
removes it too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from deploy.lab import registry, swarm
from deploy.lab.kernel import network, processes
from deploy.lab.kernel.priority import prefer
from deploy.lab.names import LabError, LabNode, LabSpec, Layout, heartbeat_ns
from deploy.lab.vms import shell
from deploy.lab.vms.daemon import TLS_PORT
from deploy.lab.vms.domain import Place, domain
from deploy.lab.vms.image import Base
from drivers.libvirt.client import library

Progress = Callable[[str], None]
_BOOT_SECONDS = 240.0  # three emulated machines on a busy one
_CLOCK_SECONDS = 60.0
_NICE = -10
# While a swarm is made and all its programs start, an emulated node may be too busy to be heard from for a while; if it
# were down for that, all its tasks would start again.
_PATIENT = "20s"


@dataclass(frozen=True, slots=True)
class VmsLab:
    spec: LabSpec
    nodes: tuple[LabNode, ...]
    connection: Any  # of libvirt

    @property
    def layout(self) -> Layout:
        return Layout(self.spec.name)

    @property
    def uri(self) -> str:
        """As the controllers reach the lab's libvirtd."""
        return f"qemu+tls://{self.spec.gateway}:{TLS_PORT}/system?pkipath=/run/secrets"

    @property
    def pool(self) -> Path:
        return self.layout.pool

    def boot(self, base: Base, *, kvm: bool, progress: Progress) -> None:
        """Guests without a past, and a swarm of them."""
        for node in self.nodes:
            make_overlay(base.disk, "raw", self.place(node).disk)
            with explained():
                self.connection.defineXML(domain(node, self.place(node), base, self._words(node), kvm=kvm))
                self._domain(node.name).create()
        self.prefer_guests()
        progress(f"{len(self.nodes)} machines are on ({'KVM' if kvm else 'emulated'}).")
        for node in self.nodes:
            self._wait_for_engine(node, _BOOT_SECONDS)
        swarm.form(self.nodes, _PATIENT, progress)
        swarm.wait_until_ready(self.nodes[0], len(self.nodes))
        progress(f"The swarm is ready: {len(self.nodes)} managers.")

    def settle(self) -> None:
        """Gives the swarm its real heartbeat, which nodes learn with their next one."""
        with closing(self.docker(self.nodes[0].name)) as client:
            client.swarm.reload()
            client.swarm.update(dispatcher_heartbeat_period=heartbeat_ns(self.spec.heartbeat))
        time.sleep(heartbeat_ns(_PATIENT) / 1e9)

    def _words(self, node: LabNode) -> str:
        address = f"{node.address}/{self.spec.network.prefixlen}"
        return f"lab.address={address} lab.registry={registry.address(self.spec)}"

    def place(self, node: LabNode) -> Place:
        folder = self.layout.node_store(node.name)
        return Place(
            disk=folder / "disk.qcow2",
            kernel_log=folder / "kernel.log",
            engine_log=folder / "dockerd.log",
            bridge=self.layout.bridge,
            tap=self.layout.veth(node.name),
        )

    def _wait_for_engine(self, node: LabNode, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with closing(swarm.client(node.socket, 5)) as client:
                    client.ping()
            except swarm.NO_ANSWER as error:
                if time.monotonic() > deadline or self.power(node.name) != "on":
                    said = self.kernel_log(node.name)[-500:]
                    raise LabError(
                        f"The engine of {node.name} (power: {self.power(node.name)}) did not answer within "
                        f"{seconds:g} s: {error}; its console: {said}"
                    ) from error
                time.sleep(0.3)
            else:
                return

    # What a drill needs (deploy/drill/lab_protocols.py)

    def node(self, name: str) -> LabNode:
        """Raises LabError for a name that is not in the lab."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"The lab has no node {name!r}; it has {', '.join(node.name for node in self.nodes)}.")

    def docker(self, name: str, timeout: float = 60) -> docker.DockerClient:
        return swarm.client(self.node(name).socket, timeout)

    def environment(self, name: str) -> Mapping[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self.node(name).socket}"}

    def exec(self, name: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return shell.run(self.node(name).address, command)

    def power(self, name: str) -> str:
        with explained():
            state = self._domain(name).state()[0]
        libvirt = library()
        if state in {libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED}:
            return "frozen"
        return "off" if state in {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED} else "on"

    def prefer_guests(self) -> None:
        """An emulated machine whose clock starves loses its connections, and its Swarm elects leaders for ever."""
        for init in filter(processes.apart, processes.marked(self.spec.name, "libvirtd")):
            for pid in processes.members(init):
                prefer(pid, _NICE)

    def power_off(self, name: str) -> None:
        """As pulling the plug: the guest is not asked."""
        with explained():
            self._domain(name).destroy()

    def power_on(self, name: str) -> None:
        with explained():
            if not self._domain(name).isActive():
                self._domain(name).create()
                self.prefer_guests()
                return
        if self.power(name) == "frozen":
            self.thaw(name)

    def shut_down(self, name: str, seconds: float = 120.0) -> None:
        """In good order, by the guest itself; returns when it is off. Raises LabError."""
        shell.run(self.node(name).address, ["kill", "-USR1", "1"])
        deadline = time.monotonic() + seconds
        while self.power(name) != "off":
            if time.monotonic() > deadline:
                raise LabError(f"{name} did not shut down within {seconds:g} s.")
            time.sleep(0.1)

    def freeze(self, name: str) -> None:
        with explained():
            self._domain(name).suspend()

    def thaw(self, name: str) -> None:
        """It goes on, and its clock is right: an emulated machine believes that no time has passed."""
        with explained():
            self._domain(name).resume()
        _set_clock(self.node(name))

    def cut(self, name: str) -> None:
        network.cut(self.layout, name)

    def heal(self, name: str) -> None:
        network.heal(self.layout, name)

    def kernel_log(self, name: str) -> str:
        """What the guest's kernel said on its console, over all its boots."""
        return self.place(self.node(name)).kernel_log.read_text(errors="replace")

    def _domain(self, name: str) -> Any:
        return self.connection.lookupByName(self.node(name).name)


def make_overlay(backing: Path, form: str, disk: Path) -> None:
    """Raises LabError."""
    disk.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(backing), "-F", form, str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"qemu-img could not make {disk}: {done.stderr.strip()}")


def _set_clock(node: LabNode) -> None:
    """
    To within some tenths of a second: an emulated guest needs most of a second to begin a command, so what it is behind
    after the first setting is added in the second. Raises LabError.
    """
    deadline = time.monotonic() + _CLOCK_SECONDS
    _date(node, f"--set=@{time.time():.3f}", deadline)
    began = time.time()
    shown = float(_date(node, "+%s.%N", deadline))
    behind = (began + time.time()) / 2 - shown
    _date(node, f"--set=@{time.time() + behind:.3f}", deadline)


def _date(node: LabNode, argument: str, deadline: float) -> str:
    """What date(1) prints in the guest, asked until it answers. Raises LabError."""
    while True:
        try:
            done = shell.run(node.address, ["date", argument], seconds=10)
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            break
    if done.returncode != 0:
        raise LabError(f"The clock of {node.name} could not be set: {done.stderr.strip()}")
    return done.stdout.strip()


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Errors of libvirt as ours."""
    try:
        yield
    except library().libvirtError as error:
        raise LabError(f"libvirt: {' '.join(str(error).split())}") from error


def on_all(nodes: Sequence[LabNode], act: Callable[[LabNode], None]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        list(pool.map(act, nodes))
