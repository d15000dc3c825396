"""The lab of virtual machines as a place for drills: booted once, kept in the cache, restored for the next drill."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from deploy.drill.errors import DrillError, Say
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.stacks import DEPLOY, Stacks
from deploy.lab import registry
from deploy.lab.debian.packages import ensure_packages
from deploy.lab.images.builder import BuildFailed
from deploy.lab.images.images import PROJECT, Images, digest, ensure_pushed
from deploy.lab.names import LabError, LabSpec, Layout
from deploy.lab.vms import accel, domain, packages, pki, site
from deploy.lab.vms.image import Base, ensure_base
from deploy.lab.vms.lab import VmsLab
from deploy.lab.vms.snapshot import Meta, Snapshot, new_machines

EXTRA_PACKAGES = "python3-libvirt"
SETTINGS = """\
[storage]
driver = "libvirt"

[storage.libvirt]
uris = ["{uri}"]
pool = "reberth"

[policy]
fence = "detach"
grace = 10.0
"""
_VMS = DEPLOY / "lab" / "vms"
_FILES = (DEPLOY / "stack.yml", DEPLOY / "libvirt.yml", _VMS / "stack.vms.yml")
_MORE = (_VMS / "postgres.vms.yml",)


class VmsProvider:
    errors: tuple[type[Exception], ...] = (LabError, BuildFailed)
    proxy: FaultProxy | None = None
    start_seconds = 600.0
    luns = False  # whether the disks are LUNs, and nothing the hypervisor's: then the lab is not saved

    def __init__(self, *, saves: bool = True) -> None:
        """``saves``: whether a lab that had to be booted is kept for the next drill. A kept one is always used."""
        self._saves = saves
        self._ours = False  # a lab of that name that was there before is somebody else's
        self._lab: VmsLab | None = None
        self._images: Images | None = None
        self._snapshot: Snapshot | None = None
        self._meta: Meta | None = None

    @property
    def restored(self) -> bool:
        """Whether both stacks run already, as they were saved."""
        return self._meta is not None

    def packages(self, say: Say) -> None:
        ensure_packages(say)
        packages.ensure(say)

    def up(self, settings: DrillSettings, say: Say) -> SwarmLab:
        spec = _spec(settings)
        site.check(spec, say)
        self._ours = True
        site.open_ground(spec, say)
        self._images = ensure_pushed(registry.address(spec), spec.cache, say, EXTRA_PACKAGES)
        base = ensure_base(spec.cache, registry.address(spec), self._images, say, luns=self.luns)
        kvm = accel.kvm_works(base, spec.cache)
        self._snapshot = Snapshot(spec.cache, digest(_inputs(settings, base, kvm=kvm)))
        self._meta = None if self.luns else self._snapshot.meta(time.time())
        if self._meta is None:
            self._lab = _boot(spec, base, kvm=kvm, say=say)
        else:
            self._lab = _restore(spec, self._snapshot, self._meta, say)
        return self._lab

    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:  # noqa: ARG002
        made = self._need()
        if self._images is None:
            raise DrillError("the lab's images are not there")
        client = pki.client(site.daemon(made.spec).pki)
        stacks = Stacks(
            lab=lab,
            cluster=cluster,
            files=_FILES,
            more=_MORE,
            variables={
                "REBERTH_IMAGE": self._images.reberth,
                "POSTGRES_IMAGE": self._images.postgres,
                "REBERTH_PROBE": "1",
                "RESTART_DELAY": settings.delay,
            },
            secrets={
                "reberth-storage": client.key,
                "reberth-libvirt-cert": client.certificate,
                "reberth-libvirt-ca": client.authority,
            },
            configs={"reberth-config": SETTINGS.format(uri=made.uri).encode()},
        )
        return stacks if self._meta is None else replace(stacks, password=self._meta.password)

    def keep(self, scenario: Scenario, say: Say) -> None:
        """Called when all stands ready for the first time: saves it, and goes on from there."""
        lab, snapshot = self._need(), self._snapshot
        if snapshot is None:
            return
        lab.settle()
        if not self._saves:
            say("not saved")
            return
        scenario.cluster.close()
        snapshot.save(lab, scenario.stacks.password)
        say("saved")
        meta = snapshot.meta(time.time())
        if meta is not None:
            snapshot.restore(lab, meta)

    def _need(self) -> VmsLab:
        if self._lab is None:
            raise DrillError("the lab is not up")
        return self._lab

    def logs(self, settings: DrillSettings) -> Path | None:
        return Layout(settings.name).store

    def engine_logs(self, settings: DrillSettings) -> Mapping[str, Path]:  # noqa: ARG002
        lab = self._need()
        return {node.name: lab.place(node).engine_log for node in lab.nodes}

    def down(self, settings: DrillSettings) -> None:
        if self._lab is not None:
            self._lab.connection.close()
        if self._ours:
            site.down(settings.name)


def _spec(settings: DrillSettings) -> LabSpec:
    return LabSpec(
        name=settings.name,
        managers=settings.managers,
        heartbeat=settings.heartbeat,
        subnet=settings.subnet,
        cache=PROJECT / ".cache",
    )


def _boot(spec: LabSpec, base: Base, *, kvm: bool, say: Say) -> VmsLab:
    pki.make(site.daemon(spec).pki, spec.gateway)
    lab = site.start(spec, new_machines(spec.managers))
    lab.boot(base, kvm=kvm, progress=say)
    return lab


def _restore(spec: LabSpec, snapshot: Snapshot, meta: Meta, say: Say) -> VmsLab:
    snapshot.prepare(spec)
    lab = site.start(spec, meta.vms)
    snapshot.restore(lab, meta)
    say(f"{len(lab.nodes)} machines are as they were saved.")
    return lab


def _inputs(settings: DrillSettings, base: Base, *, kvm: bool) -> Iterator[bytes]:
    """Everything that a saved lab depends on."""
    yield f"{base.key} {accel.qemu_version()} {kvm} {settings.managers} {settings.heartbeat}".encode()
    yield f"{settings.subnet} {settings.delay} {SETTINGS}".encode()
    for path in (*_FILES, *_MORE, DEPLOY / "examples" / "postgres.yml", Path(str(domain.__file__))):
        yield path.read_bytes()
