"""
A lab whose truth is the vSphere simulator: its machines and devices follow the simulator's VMs.

Disks go one way: what the VMs have, the nodes get. Power goes both ways: whichever side has changed since they agreed
is followed; nobody is while a VM's host is lost, or the VM is not in the inventory. One difference to real hosts stays:
the lab cannot cut the I/O of a machine that runs, so a disk that is mounted there follows only when it is unmounted, or
the machine is off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

from pyVmomi import vmodl

from controller.model import DiskId, Power, VmId
from deploy.lab.lab import Lab, LabError
from deploy.lab.names import Layout
from drivers.shared.faults import Doubt, NotSent
from drivers.vsphere.client import Session, look
from drivers.vsphere.faults import Fault
from drivers.vsphere.inventory import Place, Vm, by_id, ours
from drivers.vsphere.settings import Settings
from tests.vcsim.admin import Admin
from tests.vcsim.server import DATACENTER, Simulator

PAUSE = 0.1  # seconds between two looks
FOLDER = "lab"  # of VMs
EPOCH = 1  # the lab's own guard is not used: the simulator's is
KIB = 1024


class Bridge:
    """A thread, from ``start`` to ``stop``. It goes on through a simulator or a machine host that is away."""

    def __init__(self, lab: Lab, simulator: Simulator) -> None:
        self._lab = lab
        self._simulator = simulator
        self._admin = Admin(simulator)
        # It looks all the time, so it looks at the lab's VMs alone: strangers may be many.
        self._session = Session(Settings.parse(simulator.settings(vm_folders=[f"{DATACENTER}/vm/{FOLDER}"])), 10.0)
        self._agreed: dict[str, str] = {}
        self._named: set[tuple[str, str, str]] = set()  # VM, boot and disk that have their names in the guest
        self._sizes: Mapping[str, int] = {}
        self._copied: set[str] = set()  # files that are copies, and whose image was copied too
        self._log = Layout(lab.spec.name).store / "bridge.log"
        self.pause = threading.Lock()  # whoever has it keeps the lab as it is
        self._over = threading.Event()
        self._rounds = 0
        self._thread = threading.Thread(target=self._run, name="vsphere-bridge", daemon=True)

    def start(self) -> None:
        """Gives as many of the simulator's VMs the names and UUIDs of the lab's machines, and to each another host."""
        nodes = self._lab.nodes
        for node, vm, host in zip(nodes, self._admin.vms, self._admin.hosts(), strict=False):
            self._admin.become(vm, node.name, VmId(node.vm))
            self._simulator.fault("restart", vm=node.name, on=host)
        self._admin.put_into(FOLDER, [VmId(node.vm) for node in nodes])
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._session.close()
        self._admin.close()

    def caught_up(self) -> bool:
        """Whether the lab is as vSphere is now, within some seconds: a look that began after this call has ended."""
        wanted = self._rounds + 2
        return waited(lambda: self._rounds >= wanted)

    def end_sessions(self) -> None:
        """Everybody has to log in again."""
        self._admin.end_sessions()

    def host_of(self, node: str) -> str:
        return self._admin.host(VmId(self._lab.node(node).vm))

    def file_of(self, node: str, volume: str) -> str:
        """Of the volume's disk, which is on the node's VM."""
        files = self._admin.disks(VmId(self._lab.node(node).vm))
        return next(file for file in files if key_of(DiskId(file)).startswith(volume))

    def _run(self) -> None:
        while not self._over.wait(PAUSE):
            try:
                with self.pause:
                    self._follow()
                self._rounds += 1
            except (LabError, OSError, HTTPException, vmodl.MethodFault, NotSent, Doubt, Fault) as error:
                self._note(f"waits: {error}")

    def _follow(self) -> None:
        vms = self._session.run(lambda now: look(now, whole=True)).vms
        place = self._session.run(lambda now: now.place)
        machines = {each["id"]: each for each in self._call("GET", "/v1/vms")}
        reached = {vm.uuid: vm for vm in vms if vm.connected}
        for uuid, machine in machines.items():
            if uuid in reached:
                self._power(reached[uuid], machine["power"])
            else:
                self._agreed[uuid] = machine["power"]
        self._disks(place, vms, {vm: each["boot"] for vm, each in machines.items() if each["power"] == "on"})

    def _power(self, vm: Vm, in_lab: str) -> None:
        in_vsphere = "on" if vm.power == "poweredOn" else "off"
        if in_lab == in_vsphere:
            self._agreed[vm.uuid] = in_lab
        elif in_lab != self._agreed.get(vm.uuid, "on"):
            power = Power.ON if in_lab == "on" else Power.OFF
            fault = self._admin.switch(VmId(vm.uuid), power)
            self._note(f"the machine {vm.name} is {in_lab}: vSphere's VM too ({fault or 'done'})")
        else:
            self._lab.host.act(vm.name, f"power-{in_vsphere}")
            self._note(f"vSphere's VM {vm.name} is {in_vsphere}: the machine too")

    def _disks(self, place: Place, vms: tuple[Vm, ...], boots: Mapping[str, str]) -> None:
        wanted = {(key_of(disk), vm.uuid) for vm in vms for disk in ours(vm, place)}
        for disk, vm in sorted(self._held() - wanted):
            self._change("detach", disk, vm)
        self._copy_images(place)
        for disk, vm in sorted(wanted - self._held()):
            self._call("PUT", f"/v1/disks/{disk}", {"size_bytes": self._size(place, disk)})
            self._change("attach", disk, vm)
        for each in vms:
            for path, found in ours(each, place).items():
                if each.uuid in boots and found.uuid is not None:
                    self._name(each, boots[each.uuid], key_of(path), found.uuid)

    def _held(self) -> set[tuple[str, str]]:
        """Disks and VMs, in the lab."""
        return {(each["disk"], each["vm"]) for each in self._call("GET", "/v1/attachments")}

    def _copy_images(self, place: Place) -> None:
        """
        What the simulator copies is copied in the lab when it begins there, or at the next look.

        After the detaches, because the lab copies nothing that is attached, and before the attaches: until then the
        source has not changed, and the copy is not used. What was detached, copied and attached again between two looks
        is detached in the lab now, which refuses that where it is mounted already.
        """
        for line in self._simulator.fault("origins").splitlines():
            target, source = (key_of(DiskId(file)) for file in line.split("\t"))
            disk = target.rsplit(".", 1)[-1]  # of a copy under way, too
            renamed = target == disk and any(each.endswith(f".{disk}") for each in self._copied)
            if target not in self._copied and not renamed:
                for held, vm in self._held():
                    if held == source:
                        self._change("detach", source, vm)
                self._call("DELETE", f"/v1/disks/{disk}")  # what was copied by a call that was cut off
                self._call("PUT", f"/v1/disks/{disk}", {"size_bytes": self._size(place, source), "copy_of": source})
                self._note(f"{disk} is a copy of {source}")
            self._copied.add(target)

    def _change(self, act: str, disk: str, vm: str) -> None:
        (answer,) = self._call("POST", f"/v1/vms/{vm}/{act}", {"disks": [disk], "epoch": EPOCH})
        self._named = {each for each in self._named if each[2] != disk}
        self._note(f"{act} of {disk}, VM {vm}: {answer['outcome']} {answer.get('why', '')}")

    def _name(self, vm: Vm, boot: str, disk: str, uuid: str) -> None:
        """As udev does in a guest with disk.EnableUUID."""
        if (vm.uuid, boot, disk) in self._named:
            return
        folder = "/dev/disk/by-id"
        script = f'test -e {folder}/reberth-lab-{disk} && for n; do ln -sfn reberth-lab-{disk} "{folder}/$n"; done'
        if self._lab.exec(vm.name, ["sh", "-ec", script, "sh", *by_id(uuid)]).returncode == 0:
            self._named.add((vm.uuid, boot, disk))

    def _size(self, place: Place, disk: str) -> int:
        file = f"[{place.name}] {place.folder}/{disk}.vmdk"
        if file not in self._sizes:
            lines = [line.split(" ", 1) for line in self._simulator.fault("sizes").splitlines()]
            self._sizes = {name: int(size) * KIB for size, name in lines}
        return self._sizes[file]

    def _note(self, text: str) -> None:
        """Into the lab's own logs: whoever drives the lab may have other plans for the terminal."""
        with self._log.open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return self._lab.host.call(method, path, body)


def key_of(disk: DiskId) -> str:
    return disk.rsplit("/", 1)[-1].removesuffix(".vmdk")


def waited(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it holds within this time."""
    ended = threading.Event()
    for _ in range(int(seconds / PAUSE)):
        if holds():
            return True
        ended.wait(PAUSE)
    return False
