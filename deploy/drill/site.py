"""The lab of namespaces as a place for drills."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.drill.callers import controller_of
from deploy.drill.cluster import Cluster
from deploy.drill.ground import DrillError, DrillSettings, Ground, Say
from deploy.drill.stacks import Stacks
from deploy.drill.trap import Trap, Wiring
from deploy.lab.builder import BuildFailed
from deploy.lab.images import PROJECT, ensure_images
from deploy.lab.lab import Lab, LabError, LabSpec
from deploy.lab.names import Layout
from deploy.lab.packages import ensure_packages
from deploy.lab.values import stack_values


class NamespacesSite:
    errors: tuple[type[Exception], ...] = (LabError, BuildFailed)

    def __init__(self) -> None:
        self._lab: Lab | None = None
        self.trap: Trap | None = None

    def packages(self, say: Say) -> None:
        ensure_packages(say)

    def up(self, settings: DrillSettings, say: Say) -> Ground:
        """Raises DrillError when a lab of that name is there already: it may hold somebody's work."""
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
        self._lab = Lab.up(spec, say)
        return self._lab

    def stacks(self, ground: Ground, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
        lab = self._need()
        images = ensure_images(lab, say)
        if settings.trap:
            self.trap = Trap(_wiring(lab))
            self.trap.start()
        route = self.trap.route if self.trap is not None else None
        values = stack_values(lab, images, settings.delay, route)
        return Stacks(
            ground=ground,
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
        if self.trap is not None:
            self.trap.stop()
        Lab.remove(settings.name)


def _wiring(lab: Lab) -> Wiring:
    return Wiring(
        listen=lab.spec.gateway,
        nodes={node.address: node.name for node in lab.nodes},
        sockets={node.name: node.socket for node in lab.nodes},
        storage=lab.host.url,
        pid=controller_of(lab.spec.name),
    )
