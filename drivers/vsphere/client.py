"""
The only module that imports pyVmomi: one session with vCenter or ESXi, its requests and its answers. Blocking.

Every method may raise `NotSent`, `Doubt` or `Fault` and nothing else. It logs in when needed, and once again when the
server says that the session is gone: "not authenticated" is the one error after which a call was surely not done and
may be sent again at once. pyVmomi's own session stub is not used: it sends again after broken connections too.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from http.cookies import SimpleCookie
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError

from pyVmomi import pbm, vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from drivers.vsphere.convert import Place, Vm
from drivers.vsphere.decode import Kinds, Properties, decode_vm
from drivers.vsphere.faults import Doubt, Fault, Kind, NotSent, fault_from
from drivers.vsphere.login import LoginGuard
from drivers.vsphere.requests import Change, TaskState, Update
from drivers.vsphere.settings import Credentials, Settings, SettingsError
from drivers.vsphere.transport import Wires

# A fixed one, because to negotiate means to believe an answer given before the server is verified; newer servers speak
# all older versions.
API_VERSION = "vim.version.v7_0"
# Seconds after which an idle connection is not used again: a request on one that the server has closed is in doubt.
IDLE = 30
T = TypeVar("T")
Collector = vmodl.query.PropertyCollector
_LIGHT = ("name", "config.uuid", "runtime.powerState", "runtime.connectionState", "runtime.host")
_FULL = (*_LIGHT, "config.changeVersion", "config.extraConfig", "config.hardware.device", "datastore")
_WATCHED = ("config.uuid", "runtime.powerState", "runtime.connectionState", "runtime.host", "config.hardware.device")
_HOST = ("runtime.connectionState",)
_TASK = ("info.state", "info.error", "info.result")
_KINDS = Kinds(
    disk=vim.vm.device.VirtualDisk,
    controller=vim.vm.device.VirtualSCSIController,
    paravirtual=vim.vm.device.ParaVirtualSCSIController,
)
_DISK_TYPES = {"thin": "thin", "zeroed-thick": "preallocated", "eager-zeroed": "eagerZeroedThick"}


class _Stub(SoapStubAdapter):
    """Counts what it sends, and connects only by our wires."""

    def __init__(self, settings: Settings, wires: Wires, sent: Counter[str]) -> None:
        super().__init__(
            host=settings.host, port=settings.port, version=API_VERSION, poolSize=8, connectionPoolTimeout=IDLE
        )  # type: ignore[no-untyped-call]
        self.scheme: Any = wires.connection
        self._sent = sent

    def sibling(self, path: str, version: str) -> SoapStubAdapter:
        """For another service behind the same server, in the same session."""
        session = SimpleCookie(self.cookie)["vmware_soap_session"].value
        stub = SoapStubAdapter(
            host=self.host.rsplit(":", 1)[0],
            port=self.port,
            path=path,
            version=version,
            poolSize=0,
            requestContext={"vcSessionCookie": session},
        )
        stub.scheme = self.scheme
        stub.cookie = self.cookie
        return stub

    def InvokeMethod(self, mo: object, info: object, args: object, outerStub: object = None) -> object:  # noqa: N802, N803
        self._sent[str(getattr(info, "name", info))] += 1
        return super().InvokeMethod(mo, info, args, outerStub)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Open:
    """What belongs to one login."""

    stub: _Stub
    content: Any  # its managers are optional in pyVmomi's types; vCenter and ESXi have all that are used here
    datacenter: vim.Datacenter
    datastore: vim.Datastore
    view: vim.view.ContainerView
    place: Place


class Session:
    def __init__(self, settings: Settings, timeout: float) -> None:
        self._settings = settings
        self._wires = Wires(settings, timeout)
        self._guard = LoginGuard(settings)
        self._lock = threading.Lock()
        self._open: Open | None = None
        self.sent: Counter[str] = Counter()  # requests by method

    def run(self, call: Callable[[Open], T]) -> T:
        now = self._ensure()
        try:
            with translated():
                return call(now)
        except Fault as fault:
            if fault.kind is not Kind.NOT_AUTHENTICATED:
                raise
        self._forget(now)
        now = self._ensure()
        with translated():
            return call(now)

    def close(self) -> None:
        """Logs out, and cuts all connections: a thread that waits in one ends at once."""
        now = self._open
        try:
            if now is not None:
                with translated():
                    now.content.sessionManager.Logout()
        except (Fault, Doubt, NotSent):
            pass  # the session ends by itself after its idle time
        finally:
            self.cut()

    def cut(self) -> None:
        """Ends without a word: whoever waits for an answer is in doubt, nothing is sent any more."""
        self._wires.cut()
        if (now := self._open) is not None:
            now.stub.DropConnections()  # type: ignore[no-untyped-call]

    def _ensure(self) -> Open:
        with self._lock:
            if self._open is None:
                self._open = self._login()
            return self._open

    def _forget(self, gone: Open) -> None:
        with self._lock:
            if self._open is gone:  # else another thread has logged in already
                self._open = None
                gone.stub.DropConnections()  # type: ignore[no-untyped-call]

    def _login(self) -> Open:
        try:
            credentials = self._guard.credentials()
        except SettingsError as error:
            raise NotSent(str(error)) from None
        if isinstance(credentials, float):
            raise NotSent(
                f"{self._settings.host} refused the user or the password; not tried again for {credentials:.0f} s, "
                "lest the account be locked: put the right ones into the secrets behind user_file and password_file"
            )
        stub = _Stub(self._settings, self._wires, self.sent)
        try:
            return self._greet(stub, credentials)
        except (NotSent, Doubt, Fault) as error:
            stub.DropConnections()  # type: ignore[no-untyped-call]
            if isinstance(error, Fault) and error.kind is Kind.LOGIN:
                self._guard.refused(credentials)
            # Not `Doubt`: nothing of ours was asked for yet. From None: the frames hold the password.
            raise NotSent(f"no login at {self._settings.host}: {error}") from None

    def _greet(self, stub: _Stub, credentials: Credentials) -> Open:
        with translated():
            content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
            content.sessionManager.Login(credentials.user, credentials.password, None)
            return self._orient(stub, content)

    def _orient(self, stub: _Stub, content: Any) -> Open:
        wanted = self._settings
        datacenter = content.searchIndex.FindByInventoryPath(wanted.datacenter)
        if not isinstance(datacenter, vim.Datacenter):
            raise Fault(Kind.NOT_FOUND, f"there is no datacenter {wanted.datacenter}, or the user may not see it")
        path = f"{wanted.datacenter}/datastore/{wanted.datastore}"
        datastore = content.searchIndex.FindByInventoryPath(path)
        if not isinstance(datastore, vim.Datastore):
            raise Fault(Kind.NOT_FOUND, f"there is no datastore {path}, or the user may not see it")
        kinds: list[type] = [vim.VirtualMachine, vim.HostSystem]
        view = content.viewManager.CreateContainerView(content.rootFolder, kinds, True)
        name = wanted.datastore.rsplit("/", 1)[-1]
        place = Place(_id(datastore), name, wanted.folder.strip("/"), _aliases(content, datacenter, datastore, wanted))
        return Open(stub, content, datacenter, datastore, view, place)


def _aliases(content: Any, datacenter: Any, datastore: Any, wanted: Settings) -> tuple[str, ...]:
    """On vSAN a folder is an object of its own, and files are shown under its UUID."""
    summary = datastore.summary
    if summary.type != "vsan":
        return ()
    folder = wanted.folder.strip("/")
    _make_folder(content, f"[{summary.name}] {folder}", datacenter)
    url = summary.url.rstrip("/")
    found = content.datastoreNamespaceManager.ConvertNamespacePathToUuidPath(datacenter, f"{url}/{folder}")
    return (str(found).removeprefix(url).strip("/"),)


# Reading


def look(now: Open, *, full: bool) -> tuple[tuple[Vm, ...], dict[str, str]]:
    """All VMs, and the connection state of every host, in one request (and more only for further pages)."""
    specs = [_of(vim.VirtualMachine, _FULL if full else _LIGHT), _of(vim.HostSystem, _HOST)]
    vms: list[Vm] = []
    hosts: dict[str, str] = {}
    try:
        for obj, properties in _retrieve(now, _through(now.view), specs):
            if isinstance(obj, vim.VirtualMachine):
                vms.append(decode_vm(_id(obj), properties, _KINDS))
            else:
                hosts[_id(obj)] = str(properties.get("runtime.connectionState", ""))
    except vmodl.fault.ManagedObjectNotFound as error:
        if error.obj is not None and _id(error.obj) == _id(now.view):
            # The view belongs to the session and went with it.
            raise Fault(Kind.NOT_AUTHENTICATED, "the session has ended") from None
        raise
    return tuple(vms), hosts


def read_vm(now: Open, ref: str) -> Vm:
    target = Collector.ObjectSpec(obj=vim.VirtualMachine(ref, now.stub))
    for _, properties in _retrieve(now, [target], [_of(vim.VirtualMachine, _FULL)]):
        return decode_vm(ref, properties, _KINDS)
    raise Fault(Kind.NOT_FOUND, f"the VM {ref} is gone")


def read_task(now: Open, ref: str) -> TaskState:
    # Not `task.info`: pyVmomi cannot decode the entity in the tasks of managers.
    target = Collector.ObjectSpec(obj=vim.Task(ref, now.stub))
    for _, properties in _retrieve(now, [target], [_of(vim.Task, _TASK)]):
        state = str(properties.get("info.state", ""))
        fault = fault_from(properties.get("info.error")) if state == "error" else None
        sizes = [getattr(file, "capacityKb", None) for file in getattr(properties.get("info.result"), "file", ())]
        return TaskState(ended=state in {"success", "error"}, fault=fault, found=tuple(sizes))
    raise Fault(Kind.NOT_FOUND, f"the task {ref} is gone")


def disk_uuid(now: Open, path: str) -> str:
    return str(now.content.virtualDiskManager.QueryVirtualDiskUuid(path, now.datacenter))


# Acting: each returns the ID of the task that does it


def reconfigure(now: Open, change: Change) -> str:
    return _id(vim.VirtualMachine(change.ref, now.stub).Reconfigure(_config_spec(change)))


def power_off(now: Open, ref: str) -> str:
    return _id(vim.VirtualMachine(ref, now.stub).PowerOff())


def make_folder(now: Open) -> None:
    _make_folder(now.content, f"[{now.place.name}] {now.place.folder}", now.datacenter)


def _make_folder(content: Any, name: str, datacenter: Any) -> None:
    try:
        content.fileManager.MakeDirectory(name, datacenter, True)
    except vim.fault.FileAlreadyExists:
        return


def policy_id(now: Open, name: str) -> str:
    """The ID of a storage policy. vCenter only; its policy service takes the session of the main one."""
    service: Any = pbm.ServiceInstance("ServiceInstance", now.stub.sibling("/pbm", "pbm.version.v7_0"))
    manager = service.RetrieveContent().profileManager
    kind = pbm.profile.ResourceType(resourceType="STORAGE")
    ids = manager.QueryProfile(kind, "REQUIREMENT")
    found = [each for each in manager.RetrieveContent(ids) if each.name == name] if ids else []
    if len(found) != 1:
        raise Fault(Kind.NOT_FOUND, f"there is no storage policy {name}, or the user may not see it")
    return str(found[0].profileId.uniqueId)


def create_disk(now: Open, path: str, size_kib: int, disk_format: str, policy: str | None) -> str:
    profile = [] if policy is None else [vim.vm.DefinedProfileSpec(profileId=policy)]
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        adapterType="lsiLogic", diskType=_DISK_TYPES[disk_format], capacityKb=size_kib, profile=profile
    )
    return _id(now.content.virtualDiskManager.CreateVirtualDisk(path, now.datacenter, spec))


def delete_disk(now: Open, path: str) -> str:
    return _id(now.content.virtualDiskManager.DeleteVirtualDisk(path, now.datacenter))


def search_disk(now: Open, base: str) -> str:
    """Starts the search for one disk; its sizes in KiB (None: not told) are what the task has found."""
    browser = vim.host.DatastoreBrowser
    details = browser.VmDiskQuery.Details(diskType=True, capacityKb=True, hardwareVersion=False)
    spec = browser.SearchSpec(
        query=[browser.VmDiskQuery(details=details)],
        details=browser.FileInfo.Details(fileType=True, fileSize=True, modification=False, fileOwner=False),
        matchPattern=[base],
    )
    return _id(now.datastore.browser.Search(f"[{now.place.name}] {now.place.folder}", spec))


class Watch:
    """A session that waits for changes. A collector of its own: it must not stand in the way of other requests."""

    def __init__(self, settings: Settings, timeout: float) -> None:
        self._session = Session(settings, timeout)
        self._version = ""
        try:
            self._collector = self._session.run(_watching)
        except BaseException:
            self._session.cut()
            raise

    def wait(self, seconds: int) -> Update | None:
        """Changes since the last call; None when there were none for so long."""
        with translated():
            found = self._collector.WaitForUpdatesEx(self._version, Collector.WaitOptions(maxWaitSeconds=seconds))
        if found is None:
            return None
        self._version = found.version
        changed: dict[str, str | None] = {}
        for each in (update for part in found.filterSet for update in part.objectSet):
            uuids = [change.val for change in each.changeSet if change.name == "config.uuid" and change.val]
            changed.setdefault(_id(each.obj), None)
            if uuids:
                changed[_id(each.obj)] = str(uuids[-1])
        return Update(changed)

    def close(self) -> None:
        self._session.cut()


def _watching(now: Open) -> vmodl.query.PropertyCollector:
    collector: vmodl.query.PropertyCollector = now.content.propertyCollector.CreatePropertyCollector()
    specs = [_of(vim.VirtualMachine, _WATCHED), _of(vim.HostSystem, _HOST)]
    collector.CreateFilter(Collector.FilterSpec(objectSet=_through(now.view), propSet=specs), False)
    return collector


# Parts


def _of(kind: type, paths: Sequence[str]) -> vmodl.query.PropertyCollector.PropertySpec:
    return Collector.PropertySpec(type=kind, pathSet=list(paths))


def _through(view: vim.view.ContainerView) -> list[vmodl.query.PropertyCollector.ObjectSpec]:
    step = Collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    return [Collector.ObjectSpec(obj=view, skip=True, selectSet=[step])]


def _retrieve(now: Open, objects: Sequence[object], specs: Sequence[object]) -> Iterator[tuple[object, Properties]]:
    collector = now.content.propertyCollector
    spec = Collector.FilterSpec(objectSet=list(objects), propSet=list(specs))
    page = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions())
    while page is not None:
        for found in page.objects:
            # Without a session this call does not fail: it leaves the values out and says so here.
            for missing in found.missingSet:
                fault = fault_from(missing.fault)
                raise Fault(fault.kind, f"{missing.path} of {_id(found.obj)} cannot be read: {fault}")
            yield found.obj, {each.name: each.val for each in found.propSet}
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None


def _config_spec(change: Change) -> vim.vm.ConfigSpec:
    device = vim.vm.device
    changes = [
        device.VirtualDeviceSpec(operation="remove", device=device.VirtualDisk(key=key)) for key in change.remove
    ]
    for index, (path, controller, unit) in enumerate(change.add):
        # Independent: a snapshot of the VM must neither hold the disk fast nor roll it back.
        backing = device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="independent_persistent")
        disk = device.VirtualDisk(key=-101 - index, controllerKey=controller, unitNumber=unit, backing=backing)
        changes.append(device.VirtualDeviceSpec(operation="add", device=disk))
    for bus in change.controllers:
        added = device.ParaVirtualSCSIController(key=-1 - bus, busNumber=bus, sharedBus="noSharing")
        changes.append(device.VirtualDeviceSpec(operation="add", device=added))
    return vim.vm.ConfigSpec(
        changeVersion=change.version or None,
        extraConfig=[vim.option.OptionValue(key=key, value=value) for key, value in change.extra],
        deviceChange=changes,
    )


def _id(obj: Any) -> str:
    return str(obj._moId)  # noqa: SLF001 - pyVmomi has no other name for it


@contextmanager
def translated() -> Iterator[None]:
    """Errors of pyVmomi as ours. From None: its frames hold whole requests, the login's among them."""
    try:
        yield
    except vmodl.MethodFault as error:
        raise fault_from(error) from None
    except (OSError, HTTPException) as error:
        raise Doubt(f"no answer: {str(error) or type(error).__name__}") from None
    except ExpatError:
        raise Doubt("the answer cannot be read: is this really vCenter or ESXi?") from None
