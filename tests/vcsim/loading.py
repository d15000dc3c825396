"""A probe's report as the simulator's inventory: VMs with their disks, power, and what of them could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controller.model import VmId
from drivers.vsphere.probe.report import Machine, Report
from tests.vcsim.admin import Admin
from tests.vcsim.server import DATASTORE, Simulator, Spec, Started

EMPTY = "an empty device list"


@contextmanager
def loaded(report: Report) -> Iterator[Simulator]:
    """With our fault layer, in pages as vCenter's. Volumes have the names that the report gives them."""
    spec = Spec(faults=True, hosts=max(len(report.hosts), 1), vms=len(report.machines), page=100)
    with Started(spec) as simulator:
        admin = Admin(simulator)
        hosts = dict(zip(sorted(report.hosts), admin.hosts(), strict=False))
        admin.make_folder("reberth")
        for vm, wanted in zip(admin.vms, report.machines, strict=True):
            _become(simulator, admin, vm, wanted, hosts)
        for name, state in report.hosts.items():
            if state != "connected":
                simulator.fault("host", name=hosts[name], state=state)
        admin.close()
        yield simulator


def _become(simulator: Simulator, admin: Admin, vm: Any, wanted: Machine, hosts: dict[str, str]) -> None:
    uuid = VmId(wanted.uuid)
    admin.become(vm, wanted.name, uuid)
    if wanted.host in hosts:
        simulator.fault("restart", vm=wanted.name, on=hosts[wanted.host])
    paths = [f"[{DATASTORE}] reberth/{disk.ours}.vmdk" for disk in wanted.disks if disk.ours is not None]
    for path in paths:
        admin.make_disk(path)
    if paths:
        assert admin.attach_all(vm, paths) is None
    if wanted.power == "poweredOff":
        assert admin.wait(vm.PowerOff()) is None
    if wanted.unread:
        simulator.fault("empty" if wanted.unread == EMPTY else "blank", vm=wanted.name, held="1")
