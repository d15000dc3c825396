"""The lab of virtual machines as a place for drills: booted once, kept in the cache, restored for the next drill."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.drill.errors import DrillError, Say
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.labs.arrangement import BASE, RBD, Arrangement, Places, settings_of, variables
from deploy.drill.labs.beds import Beds
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import CONTROLLER, Cluster, wait_for
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

EXTRA_PACKAGES = "python3-libvirt ceph-common ipmitool"
_VMS = DEPLOY / "lab" / "vms"
_FILES = (DEPLOY / "stack.yml", DEPLOY / "libvirt.yml", _VMS / "stack.vms.yml")
_MORE = (_VMS / "postgres.vms.yml",)
_CEPH, _POWER, _ARRANGED = DEPLOY / "ceph.yml", DEPLOY / "power.yml", _VMS / "arranged.vms.yml"
_GONE = 180.0  # seconds for a volume's disk to be detached and deleted, on a busy machine


@dataclass(frozen=True, slots=True)
class ArrangedLab(VmsLab):
    """With a Ceph cluster and BMCs, where they were asked for: see `deploy.drill.lab_protocols`."""

    beds: Beds = field(default_factory=Beds)

    def ceph_away(self, kind: str) -> None:
        self.beds.ceph.freeze(kind)

    def ceph_back(self, kind: str) -> None:
        self.beds.ceph.thaw(kind)
        if kind == "osd":
            # One that was silent for longer than its peers' patience does not answer until it is told to begin anew.
            self.beds.ceph.ceph("osd", "down", "0")

    def trouble_bmcs(self, kind: str) -> None:
        self.beds.trouble(kind)

    def mend_bmcs(self, kind: str) -> None:
        self.beds.mend(kind)


class VmsProvider:
    errors: tuple[type[Exception], ...] = (LabError, BuildFailed)
    proxy: FaultProxy | None = None
    start_seconds = 600.0

    def __init__(self, *, saves: bool = True) -> None:
        """``saves``: whether a lab that had to be booted is kept for the next drill. A kept one is always used."""
        self._saves = saves
        self._ours = False  # a lab of that name that was there before is somebody else's
        self._beds = Beds()
        self._now = BASE  # what stands
        self._lab: ArrangedLab | None = None
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
        base = ensure_base(spec.cache, registry.address(spec), self._images, say)
        kvm = accel.kvm_works(base, spec.cache)
        self._snapshot = Snapshot(spec.cache, digest(_inputs(settings, base, kvm=kvm)))
        self._meta = self._snapshot.meta(time.time())
        made = _boot(spec, base, kvm, say) if self._meta is None else _restore(spec, self._snapshot, self._meta, say)
        self._lab = ArrangedLab(made.spec, made.nodes, made.connection, self._beds)
        return self._lab

    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:  # noqa: ARG002
        """A lab that will be saved is the same for all drills, and arranged afterwards."""
        if self._meta is None and not self._saves:
            self._now = Arrangement.of(settings)
        return self._stacks(lab, cluster, settings, self._now)

    def _stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, wanted: Arrangement) -> Stacks:
        made = self._need()
        self._beds.ensure(made, wanted)
        given = self._beds.secrets(wanted)
        text = settings_of(wanted, self._beds.places(made)).encode()
        # Neither a secret nor a config can be changed: another content has another name.
        names = {usual: f"{usual}-{digest([data])}" for usual, data in given.items()}
        names["reberth-config"] = "reberth-config" if wanted == BASE else f"reberth-config-{digest([text])}"
        files = (*_FILES, *((_CEPH,) if wanted.storage == RBD else ()), *((_POWER,) if wanted.bmcs else ()))
        if self._images is None:
            raise DrillError("the lab's images are not there")
        client = pki.client(site.daemon(made.spec).pki)
        stacks = Stacks(
            lab=lab,
            cluster=cluster,
            files=files if wanted == BASE else (*files, _ARRANGED),
            more=_MORE,
            variables={
                "REBERTH_IMAGE": self._images.reberth,
                "POSTGRES_IMAGE": self._images.postgres,
                "REBERTH_PROBE": "1",
                "RESTART_DELAY": settings.delay,
                **variables(names),
            },
            secrets={
                "reberth-storage": client.key,
                "reberth-libvirt-cert": client.certificate,
                "reberth-libvirt-ca": client.authority,
                **{names[usual]: data for usual, data in given.items()},
            },
            configs={names["reberth-config"]: text},
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

    def arrange(self, scenario: Scenario, settings: DrillSettings, say: Say) -> Scenario:
        """
        Other settings for the lab that stands; with another storage, another database on it. Ends when the controllers
        run with them.
        """
        wanted, cluster = Arrangement.of(settings), scenario.cluster
        if wanted == self._now:
            return scenario
        anew = wanted.storage != self._now.storage
        if anew:
            volume = cluster.place().volume
            scenario.remove_database()
            cluster.ask_controller("remove", volume, "--now", "--yes")
            wait_for(lambda: _there(cluster, volume), _GONE)
            say("the database is removed")
        stacks = replace(self._stacks(scenario.lab, cluster, settings, wanted), password=scenario.stacks.password)
        self._now = wanted
        stacks.deploy_system()
        (config,) = stacks.configs
        wait_for(lambda: _without(cluster, config, len(scenario.lab.nodes)), self.start_seconds)
        wait_for(lambda: "; ".join(cluster.unread()), self.start_seconds)
        say(f"disks: {wanted.storage}, power: {wanted.power}, fence: {wanted.fence}")
        if anew:
            stacks.deploy_database()
        return replace(scenario, stacks=stacks, fence=wanted.fence)

    def _need(self) -> ArrangedLab:
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
        self._beds.close()


def _there(cluster: Cluster, volume: str) -> str:
    found = cluster.api().volumes(filters={"name": volume})["Volumes"] or ()
    left = [each["Driver"] for each in found if each["Name"] == volume]
    return f"the volume {volume} is not deleted yet" if left else ""


def _without(cluster: Cluster, config: str, count: int) -> str:
    """Not empty until each controller runs with these settings."""
    tasks = [task for task in cluster.tasks(CONTROLLER) if task["DesiredState"] == "running"]
    ready = [
        task
        for task in tasks
        if task["Status"]["State"] == "running"
        and any(each["ConfigName"] == config for each in task["Spec"]["ContainerSpec"].get("Configs") or ())
    ]
    return "" if len(ready) == len(tasks) == count else f"{len(ready)} of {count} controllers have their new settings"


def _spec(settings: DrillSettings) -> LabSpec:
    return LabSpec(
        name=settings.name,
        managers=settings.managers,
        heartbeat=settings.heartbeat,
        subnet=settings.subnet,
        cache=PROJECT / ".cache",
    )


def _boot(spec: LabSpec, base: Base, kvm: bool, say: Say) -> VmsLab:
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
    yield f"{settings.subnet} {settings.delay} {settings_of(BASE, Places())}".encode()
    for path in (*_FILES, *_MORE, DEPLOY / "examples" / "postgres.yml", Path(str(domain.__file__))):
        yield path.read_bytes()
