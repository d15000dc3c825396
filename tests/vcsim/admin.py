"""The administrator's hands on the simulator: its own client, so that the driver is not checked by itself."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from controller.model import Power, VmId
from tests.vcsim.server import DATACENTER, DATASTORE, PASSWORD, USER, Simulator, certificate

Collector = vmodl.query.PropertyCollector
RESERVED_UNIT = 7  # the controller itself


class Admin:
    def __init__(self, simulator: Simulator) -> None:
        context = ssl.create_default_context(cafile=str(certificate()[0]))
        context.check_hostname = simulator.spec.address == "127.0.0.1"  # what the certificate names
        self._stub = SoapStubAdapter(
            host=simulator.spec.address,
            port=simulator.port,
            version="vim.version.v7_0",
            sslContext=context,
            httpConnectionTimeout=30,
        )
        instance: Any = vim.ServiceInstance("ServiceInstance", self._stub)
        self._content = instance.RetrieveContent()
        self._content.sessionManager.Login(USER, PASSWORD, None)
        view = self._content.viewManager.CreateContainerView(self._content.rootFolder, [vim.VirtualMachine], True)
        self.vms: list[Any] = sorted(view.view, key=lambda vm: vm.name)

    def vm(self, wanted: VmId) -> Any:
        return next(vm for vm in self.vms if vm.config.uuid == wanted)

    def uuid(self, index: int) -> VmId:
        return VmId(self.vms[index].config.uuid)

    def name(self, wanted: VmId) -> str:
        return str(self.vm(wanted).name)

    def host(self, wanted: VmId) -> str:
        return str(self.vm(wanted).runtime.host.name)

    def hosts(self) -> list[str]:
        view = self._content.viewManager.CreateContainerView(self._content.rootFolder, [vim.HostSystem], True)
        return sorted(host.name for host in view.view)

    def wait(self, task: Any) -> Any:
        """The task's fault, or None."""
        while task.info.state in {"queued", "running"}:
            time.sleep(0.01)
        return task.info.error

    def set_extra(self, vm: Any, **values: str) -> None:
        options = [vim.option.OptionValue(key=key.replace("_", "."), value=value) for key, value in values.items()]
        assert self.wait(vm.Reconfigure(vim.vm.ConfigSpec(extraConfig=options))) is None

    def make_folder(self, name: str) -> None:
        self._content.fileManager.MakeDirectory(f"[{DATASTORE}] {name}", self._datacenter(), True)

    def make_disk(self, path: str) -> None:
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
            adapterType="lsiLogic", diskType="thin", capacityKb=2**16
        )
        task = self._content.virtualDiskManager.CreateVirtualDisk(path, self._datacenter(), spec)
        state = Collector.ObjectSpec(obj=task)
        wanted = Collector.PropertySpec(type=vim.Task, pathSet=["info.state"])
        asked = Collector.FilterSpec(objectSet=[state], propSet=[wanted])
        found = self._content.propertyCollector.RetrievePropertiesEx([asked], Collector.RetrieveOptions())
        assert found.objects[0].propSet[0].val == "success"

    def _datacenter(self) -> Any:
        return self._content.searchIndex.FindByInventoryPath(DATACENTER)

    def put_into(self, folder: str, vms: Sequence[VmId]) -> str:
        """A new folder of VMs with these in it; its inventory path."""
        made = self._content.searchIndex.FindByInventoryPath("DC0/vm").CreateFolder(folder)
        assert self.wait(made.MoveInto([self.vm(vm) for vm in vms])) is None
        return f"DC0/vm/{folder}"

    def make_pod(self, name: str) -> None:
        """A datastore cluster without members: those come by the fault `pod`."""
        self._content.searchIndex.FindByInventoryPath(f"{DATACENTER}/datastore").CreateStoragePod(name)

    def attribute(self, wanted: VmId, name: str) -> str:
        """A custom attribute's value; the library keeps the older ones before it."""
        key = next(each.key for each in self._content.customFieldsManager.field if each.name == name)
        return str([each.value for each in self.vm(wanted).customValue if each.key == key][-1])

    def set_uuid(self, wanted: VmId, uuid: VmId) -> None:
        assert self.wait(self.vm(wanted).Reconfigure(vim.vm.ConfigSpec(uuid=uuid))) is None

    def become(self, vm: Any, name: str, uuid: VmId) -> None:
        """Another name and UUID, and disks that show theirs."""
        option = vim.option.OptionValue(key="disk.EnableUUID", value="TRUE")
        spec = vim.vm.ConfigSpec(name=name, uuid=uuid, extraConfig=[option])
        assert self.wait(vm.Reconfigure(spec)) is None

    def show_uuids(self) -> None:
        for vm in self.vms:
            self.set_extra(vm, disk_EnableUUID="TRUE")

    def switch(self, wanted: VmId, power: Power) -> Any:
        vm = self.vm(wanted)
        return self.wait(vm.PowerOn(None) if power is Power.ON else vm.PowerOff())

    def disks(self, wanted: VmId) -> list[str]:
        return [disk.backing.fileName for disk in self.disk_devices(wanted)]

    def place(self, wanted: VmId, path: str) -> tuple[int, int]:
        """Controller key and unit of a disk."""
        return next((d.controllerKey, d.unitNumber) for d in self.disk_devices(wanted) if d.backing.fileName == path)

    def disk_devices(self, wanted: VmId) -> list[Any]:
        return self._devices(wanted, vim.vm.device.VirtualDisk)

    def _devices(self, wanted: VmId, kind: type[Any]) -> list[Any]:
        return [each for each in self.vm(wanted).config.hardware.device if isinstance(each, kind)]

    def attach(self, wanted: VmId, path: str, unit: int) -> Any:
        """By hand, past the driver."""
        vm = self.vm(wanted)
        return self.wait(vm.Reconfigure(vim.vm.ConfigSpec(deviceChange=[_added(_paravirtual(vm), path, unit)])))

    def attach_by_sata(self, wanted: VmId, path: str) -> Any:
        """On a controller that is added for it."""
        add, controller = vim.vm.device.VirtualDeviceSpec, vim.vm.device.VirtualAHCIController
        sata = add(operation="add", device=controller(key=-15, busNumber=0))  # type: ignore[no-untyped-call]
        self.switch(wanted, Power.OFF)  # no VM that runs takes both at once
        fault = self.wait(self.vm(wanted).Reconfigure(vim.vm.ConfigSpec(deviceChange=[sata])))
        key = next(each.key for each in self._devices(wanted, controller))
        change = vim.vm.ConfigSpec(deviceChange=[_added(key, path, 1)])
        return fault or self.wait(self.vm(wanted).Reconfigure(change)) or self.switch(wanted, Power.ON)

    def detach(self, wanted: VmId, path: str) -> Any:
        """By hand; the file stays."""
        disk = next(each for each in self.disk_devices(wanted) if each.backing.fileName == path)
        change = vim.vm.device.VirtualDeviceSpec(operation="remove", device=disk)
        return self.wait(self.vm(wanted).Reconfigure(vim.vm.ConfigSpec(deviceChange=[change])))

    def attach_all(self, vm: Any, paths: Sequence[str]) -> Any:
        """Up to 15, by hand, to a VM that has none."""
        key, units = _paravirtual(vm), [unit for unit in range(1, 17) if unit != RESERVED_UNIT]
        changes = [_added(key, path, unit) for path, unit in zip(paths, units, strict=False)]
        return self.wait(vm.Reconfigure(vim.vm.ConfigSpec(deviceChange=changes)))

    def end_sessions(self) -> int:
        """All but our own."""
        manager = self._content.sessionManager
        keys = [each.key for each in manager.sessionList if each.key != manager.currentSession.key]
        if keys:
            manager.Terminate(keys)
        return len(keys)

    def sessions(self) -> int:
        return len(self._content.sessionManager.sessionList)

    def close(self) -> None:
        self._stub.DropConnections()


def _paravirtual(vm: Any) -> int:
    kind = vim.vm.device.ParaVirtualSCSIController
    return next(each.key for each in vm.config.hardware.device if isinstance(each, kind))


def _added(controller: int, path: str, unit: int) -> Any:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="independent_persistent")
    disk = vim.vm.device.VirtualDisk(key=-100 - unit, controllerKey=controller, unitNumber=unit, backing=backing)
    return vim.vm.device.VirtualDeviceSpec(operation="add", device=disk)
