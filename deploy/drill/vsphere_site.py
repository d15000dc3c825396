"""
The lab of namespaces with the vSphere simulator as the truth about its disks and its power.

The controllers speak to a real vSphere API; a bridge makes the lab's machines follow. The simulator and the bridge are
the tests', and live as long as the drill.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from deploy.drill.cluster import Cluster
from deploy.drill.ground import DrillError, DrillSettings, Ground, Say
from deploy.drill.site import NamespacesSite
from deploy.drill.stacks import DEPLOY, Stacks
from deploy.lab.lab import Lab

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
"""


@dataclass(frozen=True, slots=True)
class VsphereLab(Lab):
    simulator: Any
    bridge: Any

    def storage_away(self) -> None:
        self.simulator.fault("down")

    def storage_back(self) -> None:
        self.simulator.fault("down", off="1")
        self.bridge.end_sessions()


class VsphereSite(NamespacesSite):
    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self._simulator: Any = None

    def up(self, settings: DrillSettings, say: Say) -> Ground:
        if settings.keep:
            raise DrillError("--keep does not go with --storage vsphere: the simulator ends with the drill")
        server, bridges = _tests()
        super().up(settings, say)
        lab = self._need()
        spec = server.Spec(faults=True, vms=len(lab.nodes), address=lab.spec.gateway)
        self._simulator = self._open.enter_context(server.Started(spec))
        bridge = bridges.Bridge(lab, self._simulator)
        self._open.callback(bridge.stop)
        bridge.start()
        say(f"The vSphere simulator answers at {lab.spec.gateway}:{self._simulator.port}.")
        return VsphereLab(lab.spec, lab.nodes, self._simulator, bridge)

    def stacks(self, ground: Ground, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
        stacks = super().stacks(ground, cluster, settings, say)
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
