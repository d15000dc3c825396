"""Under which name a datastore shows our folder, on a fake that behaves like vSAN's and vVols' namespaces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from drivers.vsphere.client.decode import DENIED
from drivers.vsphere.client.parts import Collector, alias_of, properties_of, retrieve, shows_ids, translated
from drivers.vsphere.client.stores import find_stores
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Place
from drivers.vsphere.settings import Settings

URL = "ds:///vmfs/volumes/vsan:52-a1/"
ASKED = [Collector.ObjectSpec(obj=vim.VirtualMachine("vm-1"))]
SPECS = [properties_of(vim.VirtualMachine, ["config"])]
PLACE = Place("datastore-1", "vsanDatastore", "reberth", url=URL)


class Server:
    """A datastore whose top-level folders are objects: it may refuse to make one, or show it in an odd form."""

    def __init__(self, *, made: bool = True, refuses: bool = False, shown: str = f"{URL}5a0b1c2d-0000") -> None:
        self.made = made
        self.refuses = refuses
        self.shown = shown
        self.folders: list[str] = []
        self.datastoreNamespaceManager = self.fileManager = self

    def ConvertNamespacePathToUuidPath(self, _datacenter: object, url: str) -> str:  # noqa: N802
        assert url == f"{URL}reberth"
        if not self.made:
            raise vim.fault.InvalidDatastorePath
        return self.shown

    def MakeDirectory(self, name: str, _datacenter: object, _parents: object) -> None:  # noqa: N802
        self.folders.append(name)
        if self.refuses:
            raise vim.fault.CannotCreateFile
        self.made = True


def answer(obj: Any, **missing: Any) -> Any:
    """Of a collector: one object, and the faults in place of its properties."""
    noted = [SimpleNamespace(path=path, fault=fault) for path, fault in missing.items()]
    page = SimpleNamespace(objects=[SimpleNamespace(obj=obj, propSet=[], missingSet=noted)], token=None)
    return SimpleNamespace(propertyCollector=SimpleNamespace(RetrievePropertiesEx=lambda _specs, _options: page))


def test_a_vm_that_the_user_may_not_read_is_told_as_such_where_that_is_asked_for() -> None:
    found = answer(vim.VirtualMachine("vm-1"), config=fault_of("NoPermission"))
    assert [values for _, values in retrieve(found, ASKED, SPECS, denied=True)] == [{DENIED: True}]
    with pytest.raises(Fault, match="config of vm-1 cannot be read"):
        list(retrieve(found, ASKED, SPECS))


@pytest.mark.parametrize(
    ("obj", "fault"),
    [
        (vim.VirtualMachine("vm-1"), "NotAuthenticated"),
        (vim.VirtualMachine("vm-1"), "InvalidState"),
        (vim.HostSystem("host-1"), "NoPermission"),
    ],
)
def test_a_session_that_ended_another_fault_and_a_host_that_cannot_be_read_are_no_answer(obj: Any, fault: str) -> None:
    """Without a session vCenter says so in the same place: that is no word about a VM."""
    with pytest.raises(Fault, match="cannot be read"):
        list(retrieve(answer(obj, config=fault_of(fault)), ASKED, SPECS, denied=True))


def fault_of(name: str) -> Any:
    return getattr(vim.fault, name)()


def datastore(kind: str, can: bool | None) -> Any:
    return SimpleNamespace(
        capability=SimpleNamespace(topLevelDirectoryCreateSupported=can), summary=SimpleNamespace(type=kind)
    )


def test_a_folder_that_is_there_is_only_asked_for() -> None:
    """To make it needs more rights, and a storage that is whole: a login at a failover must not rest on that."""
    server = Server(refuses=True)
    assert alias_of(server, None, PLACE) == "5a0b1c2d-0000"
    assert server.folders == []


def test_a_folder_that_is_not_there_is_made_first() -> None:
    server = Server(made=False)
    assert alias_of(server, None, PLACE) == "5a0b1c2d-0000"
    assert server.folders == ["[vsanDatastore] reberth"]


@pytest.mark.parametrize("server", [Server(made=False, refuses=True), Server(shown="/vmfs/volumes/other/x")])
def test_a_folder_whose_name_cannot_be_told_is_no_login_lost(server: Server) -> None:
    assert alias_of(server, None, PLACE) is None


@pytest.mark.parametrize(
    ("kind", "can", "expected"),
    [
        *(("vsan", False, True), ("VVOL", False, True), ("NFS", False, True), ("VVOL", None, True)),
        *(("VMFS", True, False), ("vsan", True, False), ("VMFS", None, False)),
    ],
)
def test_what_a_datastore_says_that_it_can_counts_before_its_type(kind: str, can: bool | None, expected: bool) -> None:
    assert shows_ids(datastore(kind, can)) is expected


def test_a_folders_name_that_cannot_be_told_now_stays_what_it_was_at_the_login_before() -> None:
    """A degraded vSAN at a failover must not make all disks those of nobody."""
    known: dict[str, str] = {}
    raw = {"host": "h", "user_file": "u", "password_file": "p", "datacenter": "DC", "datastore": "vsanDatastore"}
    settings = Settings.parse(raw)
    shown = datastore("vsan", False)
    shown.summary = SimpleNamespace(name="vsanDatastore", url=URL, type="vsan")
    parts = {"summary": shown.summary, "capability": shown.capability, "parent": None}
    store: Any = type("Store", (vim.Datastore,), parts)
    for server in (Server(), Server(made=False, refuses=True)):
        content: Any = SimpleNamespace(
            searchIndex=SimpleNamespace(FindByInventoryPath=lambda _: store("datastore-1")),
            datastoreNamespaceManager=server,
            fileManager=server,
        )
        (place,) = find_stores(content, None, settings, known)
        assert isinstance(place, Place)
        assert place.aliases == ("5a0b1c2d-0000",)


def test_a_datastores_paths_have_the_name_that_vcenter_gives_it() -> None:
    """In an inventory path a slash is written as %2f, in another folder it has more parts."""
    raw = {"host": "h", "user_file": "u", "password_file": "p", "datacenter": "DC", "datastore": "nfs/a%2fb"}
    shown = datastore("NFS", True)
    shown.summary = SimpleNamespace(name="as vCenter has it", url="", type="NFS")
    store: Any = type(
        "Named", (vim.Datastore,), {"summary": shown.summary, "capability": shown.capability, "parent": None}
    )
    index = SimpleNamespace(FindByInventoryPath=lambda _: store("datastore-1"))
    content: Any = SimpleNamespace(searchIndex=index)
    (place,) = find_stores(content, None, Settings.parse(raw), {})
    assert isinstance(place, Place)
    assert (place.name, place.option) == ("as vCenter has it", "a/b")


@pytest.mark.parametrize("gone", [vim.Datastore("datastore-1"), vim.Datacenter("dc-1"), vim.StoragePod("pod-1")])
def test_what_was_looked_up_at_the_login_and_is_gone_is_told_apart(gone: Any) -> None:
    """A datastore that was mounted anew has another ID: by the old one nothing can be told, for ever."""
    assert kind_of_gone(gone) is Kind.PLACE_GONE


def test_a_view_that_is_gone_went_with_its_session() -> None:
    assert kind_of_gone(vim.view.ContainerView("v")) is Kind.NOT_AUTHENTICATED


@pytest.mark.parametrize("gone", [vim.VirtualMachine("vm-1"), vim.HostSystem("host-1"), vim.Task("task-1"), None])
def test_a_vm_a_host_or_a_task_that_is_gone_is_no_file_that_is_not_there(gone: Any) -> None:
    assert kind_of_gone(gone) is Kind.GONE


def kind_of_gone(gone: Any) -> Kind:
    with pytest.raises(Fault) as caught, translated():
        raise vmodl.fault.ManagedObjectNotFound() if gone is None else vmodl.fault.ManagedObjectNotFound(obj=gone)
    return caught.value.kind
