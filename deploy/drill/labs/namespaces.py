"""The lab of namespaces as a place for drills."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from controller.model import Detect
from deploy.drill.errors import DrillError, Say
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.proxy.controller_process import controller_of
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.proxy.values import Wiring
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.stacks import Stacks
from deploy.lab import cleanup
from deploy.lab.debian.packages import ensure_packages
from deploy.lab.images.builder import BuildFailed
from deploy.lab.images.images import PROJECT, ensure_images
from deploy.lab.lab import Lab, LabError, LabSpec
from deploy.lab.names import Layout
from deploy.lab.values import stack_values


class NamespacesProvider:
    errors: tuple[type[Exception], ...] = (LabError, BuildFailed)

    def __init__(self) -> None:
        self._lab: Lab | None = None
        self.proxy: FaultProxy | None = None

    def packages(self, say: Say) -> None:
        ensure_packages(say)

    def up(self, settings: DrillSettings, say: Say) -> SwarmLab:
        """Raises DrillError when a lab of that name is there already: it may hold somebody's work."""
        if dead := cleanup.remove_dead(settings.name):
            say(f"Removed what a lab {settings.name!r} left that was not taken down: {'; '.join(dead)}.")
        if Lab.find(settings.name) is not None:
            raise DrillError(
                f"there is a lab {settings.name!r} already, kept by an earlier drill or made by hand: remove it with "
                f"`reberth lab down --name {settings.name}`, or choose another with --name and --subnet"
            )
        spec = LabSpec(
            name=settings.name,
            managers=settings.managers,
            workers=settings.workers,
            heartbeat=settings.heartbeat,
            subnet=settings.subnet,
            cache=PROJECT / ".cache",
        )
        self._lab = Lab.up(spec, say, self.ground)
        return self._lab

    def ground(self, storage: Path) -> None:
        """What the folder of the lab's disks is to be: left as it is."""

    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
        made = self._need()
        images = ensure_images(made, say)
        if settings.proxy:
            self.proxy = FaultProxy(_wiring(made))
            self.proxy.start()
        route = self.proxy.route if self.proxy is not None else None
        values = stack_values(made, images, settings.delay, route, policy_of(settings))
        return Stacks(
            lab=lab,
            cluster=cluster,
            files=values.files,
            variables=values.variables,
            secrets=values.secrets,
            configs=values.configs,
        )

    def _need(self) -> Lab:
        if self._lab is None:
            raise DrillError("the lab is not up")
        return self._lab

    def logs(self, settings: DrillSettings) -> Path | None:
        return Layout(settings.name).store

    def engine_logs(self, settings: DrillSettings) -> Mapping[str, Path]:
        layout = Layout(settings.name)
        return {node.name: layout.node_store(node.name) / "dockerd.log" for node in self._need().nodes}

    def down(self, settings: DrillSettings) -> None:
        if self.proxy is not None:
            self.proxy.stop()
        Lab.remove(settings.name)


def policy_of(settings: DrillSettings) -> str:
    """What the controller's settings say beside the defaults; a fence by our own detector takes a chosen power-off."""
    if settings.detect == Detect.SWARM.value and settings.grace == DrillSettings().grace:
        return ""
    fence = 'fence = "power-off"\n' if settings.detect == Detect.GATE.value else ""
    return f'\n[policy]\ndetect = "{settings.detect}"\ngrace = {settings.grace:g}\n{fence}'


def _wiring(lab: Lab) -> Wiring:
    return Wiring(
        listen=lab.spec.gateway,
        nodes={node.address: node.name for node in lab.nodes},
        sockets={node.name: node.socket for node in lab.nodes},
        storage=lab.host.url,
        pid=controller_of(lab.spec.name),
    )
