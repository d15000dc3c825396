"""
The lab of namespaces with the vSphere simulator as the truth about its disks and its power.

The controllers speak to a real vSphere API; a bridge makes the lab's machines follow. The simulator and the bridge are
the tests', and live as long as the drill.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from secrets import token_urlsafe
from typing import Any

from deploy.drill.errors import DrillError, Say
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.stacks import DEPLOY, Stacks
from deploy.lab.lab import Lab

_VMS_OF_A_HOST = 50
_PAGE = 100  # objects in one answer, as vCenter gives them

_SETTINGS = """\
[storage]
driver = "vsphere"

[storage.vsphere]
host = "{host}"
port = {port}
thumbprint = "{thumbprint}"
user_file = "/run/secrets/storage-user"
password_file = "/run/secrets/storage"
datacenter = "{datacenter}"
datastore = "{datastore}"
disks_per_controller = 64

# What the simulator detaches from a machine that runs stays mounted there: the lab cannot cut its I/O, as hosts do.
[policy]
fence = "power-off"

[volumes]
keep_removed = 0
"""


@dataclass(frozen=True, slots=True)
class VsphereLab(Lab):
    simulator: Any
    bridge: Any
    lost: dict[str, str] = field(default_factory=dict)  # hosts of machines that were taken out of the inventory
    moved: dict[str, str] = field(default_factory=dict)  # by machine: the file from before it was moved

    def storage_away(self) -> None:
        self.simulator.fault("down")

    def storage_back(self) -> None:
        self.simulator.fault("down", off="1")
        self.bridge.end_sessions()

    def lose_host(self, name: str) -> None:
        self.simulator.fault("host", name=self.bridge.host_of(name), state="notResponding", crash="1")
        self.power_off(name)

    def forget_machine(self, name: str) -> None:
        self.lost[name] = self.bridge.host_of(name)
        self.simulator.fault("remove", vm=name)

    def return_host(self, name: str) -> None:
        self.simulator.fault("host", name=self.lost.pop(name), state="connected")
        self.simulator.fault("register", vm=name)
        self.power_on(name)

    def hinder(self, kind: str, name: str, volume: str) -> None:
        if kind == "move":
            self.moved[name] = self.bridge.file_of(name, volume)
            self.simulator.fault(kind, vm=name, file=self.moved[name], to=_elsewhere(name))
        else:
            self.simulator.fault(kind, vm=name)

    def clear(self, kind: str, name: str) -> None:
        if kind == "move":
            self.simulator.fault(kind, vm=name, file=_elsewhere(name), to=self.moved.pop(name))
        else:
            self.simulator.fault(kind, vm=name, off="1")

    def change_password(self) -> bytes:
        fresh = token_urlsafe(18)
        self.simulator.change_password(fresh)
        self.bridge.end_sessions()
        return fresh.encode()

    def end_sessions_at(self, method: str, whens: Sequence[str]) -> None:
        for when in whens:
            self.simulator.fault("expire", method=method, when=when)

    def sessions_ended(self) -> int:
        return int(self.simulator.fault("expired"))


def _elsewhere(machine: str) -> str:
    """Where Storage vMotion puts the first data disk of a VM."""
    return f"[LocalDS_0] {machine}/{machine}_1.vmdk"


class VsphereProvider(NamespacesProvider):
    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self._simulator: Any = None

    def up(self, settings: DrillSettings, say: Say) -> SwarmLab:
        if settings.keep:
            raise DrillError("--keep does not go with --storage vsphere: the simulator ends with the drill")
        server, bridges = _tests()
        super().up(settings, say)
        lab = self._need()
        spec = server.Spec(
            faults=True,
            hosts=len(lab.nodes) + -(-settings.strangers // _VMS_OF_A_HOST),
            vms=len(lab.nodes) + settings.strangers,
            disks=1,
            page=_PAGE,
            address=lab.spec.gateway,
        )
        self._simulator = self._open.enter_context(server.Started(spec))
        bridge = bridges.Bridge(lab, self._simulator)
        self._open.callback(bridge.stop)
        bridge.start()
        say(f"The vSphere simulator answers at {lab.spec.gateway}:{self._simulator.port}.")
        return VsphereLab(lab.spec, lab.nodes, self._simulator, bridge)

    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
        stacks = super().stacks(lab, cluster, settings, say)
        raw = self._simulator.settings()
        return replace(
            stacks,
            files=(*stacks.files, DEPLOY / "vsphere.yml"),
            configs={**stacks.configs, "reberth-config": _SETTINGS.format(**raw).encode()},
            secrets={
                **stacks.secrets,
                "reberth-storage-user": self._simulator.user_file.read_bytes().strip(),
                "reberth-storage": self._simulator.password_file.read_bytes().strip(),
            },
        )

    def down(self, settings: DrillSettings) -> None:
        self._open.close()
        super().down(settings)


def _tests() -> tuple[Any, Any]:
    try:
        return import_module("tests.vcsim.server"), import_module("tests.vcsim.bridge")
    except ModuleNotFoundError as error:
        raise DrillError(
            f"--storage vsphere needs the project's sources (there is no {error.name}): run it in a checkout"
        ) from error
