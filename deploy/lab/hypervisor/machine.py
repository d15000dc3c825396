"""
One machine of the lab: its power, its disks' devices, its freezing. Blocking; the machine host calls it in threads.

Whether a machine is on is asked of the kernel each time; nothing about it is remembered.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from deploy.lab.hypervisor.devices import Devices, Refusals
from deploy.lab.hypervisor.disks import Disks
from deploy.lab.kernel import cgroups, loop_devices, network, processes
from deploy.lab.names import MARK, ROLE, LabError, LabNode, LabSpec, Layout
from deploy.lab.names import REGISTRY_PORT as REGISTRY

log = structlog.get_logger()

PowerWord = Literal["on", "off", "frozen"]

_START_SECONDS = 20.0
_DEATH_SECONDS = 60.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--propagation", "slave")


@dataclass(frozen=True, slots=True)
class Machine:
    layout: Layout
    spec: LabSpec
    node: LabNode
    disks: Disks

    # -- looking ---------------------------------------------------------------------------------------------

    def init(self) -> int | None:
        return processes.node_init(self.layout.lab, self.node.name)

    def power(self) -> PowerWord:
        """Off only when every process is gone and no loop device holds a disk of this machine any more."""
        init = self.init()
        if init is None:
            return "on" if self.devices.loops() or processes.marked(self.layout.lab, self._role) else "off"
        return "frozen" if processes.state(init) in {"T", "t"} else "on"

    def booted(self) -> bool:
        return self.init() is not None and self.layout.node_booted(self.node.name).exists()

    def boot_id(self) -> str:
        try:
            return (self.layout.node_run(self.node.name) / "reberth-lab/boot-id").read_text().strip()
        except FileNotFoundError:
            return ""

    @property
    def _role(self) -> str:
        return f"node:{self.node.name}"

    @property
    def _dev(self) -> Path:
        return self.layout.node_dev(self.node.name)

    # -- power -----------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """
        Boot: fresh /run and /dev, new boot id, the same data and address. Raises LabError.

        Returns when a command that enters the machine sees nothing but what is the machine's own. A start that was
        interrupted is begun anew.
        """
        if self.booted():
            return
        self.power_off()
        run, store = self.layout.node_run(self.node.name), self.layout.node_store(self.node.name)
        shutil.rmtree(run, ignore_errors=True)
        identity = run / "reberth-lab"
        identity.mkdir(parents=True)
        (identity / "vm-uuid").write_text(f"{self.node.vm}\n")
        (identity / "boot-id").write_text(f"{uuid.uuid4()}\n")
        store.mkdir(parents=True, exist_ok=True)
        Path("/var/lib/docker").mkdir(parents=True, exist_ok=True)  # where each node mounts its own data
        self._make_dev()
        self.devices.connect_all()
        self._start(self._write_boot(run, store))

    def _make_dev(self) -> None:
        self._dev.mkdir(parents=True, exist_ok=True)
        network.run("mount", "-t", "tmpfs", "-o", "mode=0755,nosuid", "reberth-lab", str(self._dev))
        (self._dev / "disk/by-id").mkdir(parents=True)

    def _write_boot(self, run: Path, store: Path) -> Path:
        settings = {
            "hosts": ["unix:///var/run/docker.sock"],
            "data-root": "/var/lib/docker",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],  # no systemd in a node
            "cgroup-parent": f"/{self.layout.cgroup}/{self.node.name}",
            "insecure-registries": [f"{self.spec.gateway}:{REGISTRY}"],
            "shutdown-timeout": 5,
            "log-opts": {"max-size": "10m", "max-file": "2"},
        }
        config, boot = store / "daemon.json", store / "boot.json"
        config.write_text(json.dumps(settings, indent=2))
        dockerd = shutil.which("dockerd", path=f"{_PATH}:{os.environ.get('PATH', '')}")
        if dockerd is None:
            raise LabError("No dockerd on this machine: run the lab's setup (`make setup`), it installs docker.io.")
        view = {
            "hostname": self.node.name,
            "address": f"{self.node.address}/{self.spec.network.prefixlen}",
            "run": str(run),
            "dev": str(self._dev),
            "store": str(store),
            "dockerd": [dockerd, "--config-file", str(config)],
        }
        boot.write_text(json.dumps(view, indent=2))
        return boot

    def _start(self, boot: Path) -> None:
        log = self.layout.node_store(self.node.name) / "dockerd.log"
        environment = {
            "PATH": _PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            MARK: self.layout.lab,
            ROLE: self._role,
        }
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("node_init.py")), str(boot)]
        with log.open("ab") as output:
            subprocess.run(
                # setsid --fork: no child of ours, so neither our death nor a signal to our group reaches the node
                ["setsid", "--fork", "unshare", *_NAMESPACES, "--", *program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd="/",
                check=True,
            )
        init = self._wait_for_init(log)
        cgroups.adopt(self.layout.cgroup, self.node.name, init)
        network.plug(self.layout, self.node.name, self.node.address, init)
        self._wait_until(self.booted, log)

    def _wait_for_init(self, log: Path) -> int:
        self._wait_until(lambda: self.init() is not None, log)
        init = self.init()
        if init is None:
            raise LabError(f"{self.node.name} ended while it started: {_tail(log)}")
        return init

    def _wait_until(self, holds: Callable[[], bool], log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise LabError(f"{self.node.name} did not start within {_START_SECONDS:g} s: {_tail(log)}")
            time.sleep(0.01)

    def power_off(self) -> None:
        """
        As if the plug was pulled: the network first, then the disks, then every process. Also tidies a dead machine.

        The network goes first because the kernel says goodbye on the sockets of a killed process; a real machine
        cannot. Returns when all is gone. Raises LabError when something still lives.
        """
        network.unplug(self.layout, self.node.name)
        init = self.init()
        if init is not None:
            lost = loop_devices.lose_cache(init, self.devices.loops().values())
            log.info("cache.lost", node=self.node.name, devices=lost, why="a machine without power forgets")
            processes.kill(init)
            if not processes.wait_gone(init, _DEATH_SECONDS):
                raise LabError(f"{self.node.name}: its processes did not end within {_DEATH_SECONDS:g} s.")
        self._wait_for_marked()
        self.devices.release_all()
        while self._dev.is_mount():
            network.run("umount", "--lazy", str(self._dev))
        cgroups.remove(f"{self.layout.cgroup}/{self.node.name}")

    def _wait_for_marked(self) -> None:
        """What is left is unshare(1), which ends with its child, or a start that was interrupted before PID 1 lived."""
        deadline = time.monotonic() + _DEATH_SECONDS
        while left := processes.marked(self.layout.lab, self._role):
            for pid in left:
                processes.kill(pid)
            if time.monotonic() > deadline:
                raise LabError(f"{self.node.name}: processes {left} did not end within {_DEATH_SECONDS:g} s.")
            time.sleep(0.005)

    # -- freezing and the network ------------------------------------------------------------------------------

    def freeze(self) -> None:
        processes.stop_all(self._living())

    def thaw(self) -> None:
        processes.continue_all(self._living())

    def cut(self) -> None:
        self._living()
        network.cut(self.layout, self.node.name)

    def heal(self) -> None:
        self._living()
        network.heal(self.layout, self.node.name)

    def _living(self) -> int:
        init = self.init()
        if init is None:
            raise LabError(f"{self.node.name} is off.")
        return init

    # -- disks -------------------------------------------------------------------------------------------------

    @property
    def devices(self) -> Devices:
        return Devices(self.node.name, self.node.vm, self._dev, self.disks)

    def attach(self, disks: Sequence[str]) -> Refusals:
        return self.devices.attach(disks, running=self.init() is not None)

    def detach(self, disks: Sequence[str]) -> Refusals:
        return self.devices.detach(disks, self.init())

    def settle(self) -> None:
        """
        After a restart of the machine host: finish what the last one began, so that devices equal attachments.

        A machine whose start was interrupted is one that did not start.
        """
        if not self.booted():
            self.power_off()
        else:
            self.devices.connect_all()


def _tail(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:])
