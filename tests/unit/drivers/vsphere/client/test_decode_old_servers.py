"""
Answers of older vCenters, which lack what later versions of the API added. Made by hand, after the API's reference.

They go through pyVmomi's own decoder, as those of a server do. What is missing is not known, and nothing falls over.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer, SoapStubAdapter

from controller.model import Power
from drivers.vsphere.client.decode import Kinds, decode_vm
from drivers.vsphere.client.obstacles import read_obstacles
from drivers.vsphere.client.parts import retrieve, shows_ids
from drivers.vsphere.client.stores import Pod, members, present
from drivers.vsphere.creation.placing import Member
from drivers.vsphere.inventory import Controller, Disk, File, Place, Vm, powers, shows_uuids, unread_vms
from drivers.vsphere.inventory.values import Inventory
from drivers.vsphere.obstacles import Obstacles, Store, sentences

STUB = SoapStubAdapter(host="127.0.0.1", port=1, version="vim.version.v7_0")
PLACE = Place("datastore-1", "DS", "reberth")
device = vim.vm.device
KINDS = Kinds(device.VirtualDisk, device.VirtualSCSIController, device.ParaVirtualSCSIController)
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>{}</returnval></RetrievePropertiesExResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)


def obj(kind: str, ref: str, **values: str) -> str:
    """``values``: XML by property, with ``__`` for a dot."""
    sets = "".join(f"<propSet><name>{name.replace('__', '.')}</name>{xml}</propSet>" for name, xml in values.items())
    return f'<objects><obj type="{kind}">{ref}</obj>{sets}</objects>'


def val(kind: str, text: str) -> str:
    return f'<val xsi:type="{kind}">{text}</val>'


class Server:
    """A property collector that has one answer for each kind of object that is asked for first."""

    def __init__(self, *objects: str) -> None:
        self.propertyCollector = self
        self._objects = objects

    def RetrievePropertiesEx(self, specs: Any, _options: object) -> Any:  # noqa: N802
        kinds = {each.type.__name__.rsplit(".", 1)[-1] for each in specs[0].propSet}
        chosen = "".join(each for each in self._objects if each.split('type="', 1)[1].split('"', 1)[0] in kinds)
        found = SoapResponseDeserializer(STUB)
        return found.Deserialize(_ENVELOPE.format(chosen).encode(), vmodl.query.PropertyCollector.RetrieveResult)


def read(*objects: str) -> Iterable[tuple[Any, Any]]:
    kinds = [vim.VirtualMachine, vim.Datastore, vim.HostSystem]
    specs = [vmodl.query.PropertyCollector.PropertySpec(type=kind, pathSet=["name"]) for kind in kinds]
    target = vmodl.query.PropertyCollector.ObjectSpec(obj=vim.Folder("group-d1"))
    return retrieve(Server(*objects), [target], specs)


def decoded(xml: str) -> Vm:
    ((found, properties),) = read(xml)
    return decode_vm(found._moId, properties, KINDS)


DEVICES = val(
    "ArrayOfVirtualDevice",
    # A disk of before capacityInBytes, with a backing of before UUIDs (FlatVer1), and one raw mapping without a file.
    '<VirtualDevice xsi:type="ParaVirtualSCSIController"><key>1000</key><busNumber>0</busNumber>'
    "<sharedBus>noSharing</sharedBus></VirtualDevice>"
    '<VirtualDevice xsi:type="VirtualDisk"><key>2000</key><backing xsi:type="VirtualDiskFlatVer1BackingInfo">'
    "<fileName>[DS] old/old.vmdk</fileName><diskMode>persistent</diskMode></backing><controllerKey>1000</controllerKey>"
    "<unitNumber>0</unitNumber><capacityInKB>1024</capacityInKB></VirtualDevice>"
    '<VirtualDevice xsi:type="VirtualDisk"><key>2001</key><backing xsi:type="VirtualDiskFlatVer2BackingInfo">'
    '<fileName>[DS] reberth/a.vmdk</fileName><datastore type="Datastore">datastore-1</datastore>'
    "<diskMode>independent_persistent</diskMode></backing><controllerKey>1000</controllerKey>"
    "<unitNumber>1</unitNumber><capacityInKB>2048</capacityInKB></VirtualDevice>"
    '<VirtualDevice xsi:type="VirtualDisk"><key>2002</key><capacityInKB>0</capacityInKB></VirtualDevice>',
)


def test_a_vm_of_before_flags_uuids_and_datastore_lists_is_read_with_its_disks() -> None:
    vm = decoded(
        obj(
            "VirtualMachine",
            "vm-42",
            name=val("xsd:string", "node1"),
            config__uuid=val("xsd:string", "4210a0de-0000-0000-0000-000000000001"),
            config__changeVersion=val("xsd:string", "2019-01-01T00:00:00.000000Z"),
            runtime__powerState=val("VirtualMachinePowerState", "poweredOn"),
            runtime__connectionState=val("VirtualMachineConnectionState", "connected"),
            config__hardware__device=DEVICES,
        )
    )
    assert vm.readable
    assert not shows_uuids(vm)
    assert vm.controllers == (Controller(1000, 0, paravirtual=True, taken=frozenset({0, 1})),)
    first, ours, raw = vm.disks
    assert first.files == (File("DS", "old/old.vmdk"),)
    independent = "independent_persistent"
    file = (File("datastore-1", "reberth/a.vmdk"),)
    assert ours == Disk(2001, 1000, 1, file, None, "[DS] reberth/a.vmdk", 2048, independent)
    assert raw.files == ()


def test_without_a_host_a_vm_that_calls_itself_on_is_not_known_to_be_on() -> None:
    vm = decoded(obj("VirtualMachine", "vm-42", config__uuid=val("xsd:string", "4210a0de-0000-0000-0000-000000000001")))
    assert set(powers(Inventory((vm,))).values()) == {Power.UNKNOWN}


def test_a_vm_without_a_change_version_was_not_read_whatever_else_is_told() -> None:
    vm = decoded(obj("VirtualMachine", "vm-42", config__uuid=val("xsd:string", "u"), config__hardware__device=DEVICES))
    assert vm.unread == "a configuration without a version"
    assert unread_vms([vm], PLACE, {"vm-42"}) == [vm]


def test_a_datastore_of_before_maintenance_modes_and_mount_states_is_reached_where_it_is_listed() -> None:
    """A host's mount of before `mounted` and `accessible` says its path and its mode alone."""
    store = obj(
        "Datastore",
        "datastore-1",
        summary__accessible=val("xsd:boolean", "true"),
        host=val(
            "ArrayOfDatastoreHostMount",
            '<DatastoreHostMount><key type="HostSystem">host-1</key><mountInfo><path>/vmfs/volumes/1</path>'
            "<accessMode>readWrite</accessMode></mountInfo></DatastoreHostMount>",
        ),
    )
    assert members(Server(store), STUB, [PLACE]) == [Member("DS", hosts={"host-1": ""})]


def test_of_a_vm_whose_obstacles_are_not_told_none_is_said() -> None:
    vm = obj(
        "VirtualMachine", "vm-42", runtime__host='<val type="HostSystem" xsi:type="ManagedObjectReference">h</val>'
    )
    server = Server(vm, obj("Datastore", "datastore-1"), obj("HostSystem", "h", name=val("xsd:string", "esx1")))
    now: Any = SimpleNamespace(content=server, stub=STUB, place=PLACE)
    found = read_obstacles(now, ["vm-42"], PLACE, wide=True)["vm-42"]
    assert found == Obstacles(stores=(Store("DS"),), host="esx1", wide=True)
    assert sentences("node1", found) == ()


def test_a_datastore_that_does_not_say_what_it_can_is_judged_by_its_type() -> None:
    for kind, ids in (("VMFS", False), ("vsan", True), ("VVOL", True), ("NFS41", False)):
        said = vim.Datastore.Capability(directoryHierarchySupported=True)
        found = SimpleNamespace(capability=said, summary=SimpleNamespace(type=kind))
        assert shows_ids(found) is ids


def test_a_member_of_a_cluster_without_a_url_is_known_by_its_id() -> None:
    server = Server(obj("Datastore", "datastore-7", summary__name=val("xsd:string", "SAN")))
    place = present(server, STUB, (Pod("group-p1", "POD"),), "reberth")
    assert (place.datastore, place.name, place.url, place.pod) == ("datastore-7", "SAN", "", "POD")
