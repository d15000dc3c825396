"""
One session with vCenter or ESXi. Blocking.

It logs in when needed, and once again when the server says that the session is gone: "not authenticated" is the one
error after which a call was surely not done and may be sent again at once. pyVmomi's own session stub is not used: it
sends again after broken connections too.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any, TypeVar

import structlog
from pyVmomi import vim
from pyVmomi.SoapAdapter import SoapStubAdapter

from drivers.shared.faults import CallError, Doubt, NotSent
from drivers.shared.settings import SettingsError
from drivers.vsphere.client.decode_cache import Sieve
from drivers.vsphere.client.login import LoginGuard
from drivers.vsphere.client.parts import translated
from drivers.vsphere.client.stores import Store, find_stores, present
from drivers.vsphere.client.tracking import Tracker
from drivers.vsphere.client.transport import Wires
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Datastore, Host, Place, Vm
from drivers.vsphere.settings import Credentials, Settings

# A fixed one, because to negotiate means to believe an answer given before the server is verified; newer servers speak
# all older versions.
API_VERSION = "vim.version.v7_0"
_OLDEST = "7.0"
_MANAGERS = ("propertyCollector", "sessionManager", "viewManager", "searchIndex", "fileManager", "virtualDiskManager")
# Seconds after which an idle connection is not used again: a request on one that the server has closed is in doubt.
IDLE = 30
HOST_PROPERTIES = ("runtime.connectionState",)
T = TypeVar("T")
log = structlog.get_logger()


class _Careful(SoapStubAdapter):
    """
    What an answer has that this pyVmomi cannot read is no answer, and no bug of ours: a type, a field or a word that it
    does not know, a number that is none.
    """

    def InvokeMethod(self, mo: object, info: object, args: object, outerStub: object = None) -> object:  # noqa: N802, N803
        try:
            return super().InvokeMethod(mo, info, args, outerStub)  # type: ignore[no-untyped-call]
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Doubt(f"the answer has something that cannot be read here ({error}): is the server newer?") from None


class _Stub(_Careful):
    """Counts what it sends, and connects only by our wires."""

    def __init__(self, settings: Settings, wires: Wires, sent: Counter[str]) -> None:
        super().__init__(
            host=settings.host, port=settings.port, version=API_VERSION, poolSize=8, connectionPoolTimeout=IDLE
        )  # type: ignore[no-untyped-call]
        self.scheme: Any = wires.connection
        self._sent = sent

    def sibling(self, path: str, version: str) -> _Careful:
        """For another service behind the same server, in the same session."""
        session = SimpleCookie(self.cookie)["vmware_soap_session"].value
        stub = _Careful(  # type: ignore[no-untyped-call]
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
        return super().InvokeMethod(mo, info, args, outerStub)


@dataclass(slots=True)
class Memo:
    """What was learned since the login."""

    whole_look: float  # seconds
    keyed: bool | None = None  # whether this server answers for single advanced settings; None: not asked yet
    tracker: Tracker | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """What belongs to one login."""

    stub: _Stub
    content: Any  # its managers are optional in pyVmomi's types; vCenter and ESXi have all that are used here
    datacenter: vim.Datacenter
    stores: tuple[Store, ...]
    views: tuple[vim.view.ContainerView, ...]
    place: Place  # as it was at the login
    wires: Wires
    memo: Memo
    sieve: Sieve[Vm | Host | Datastore]  # of looks at everything

    @property
    def datastore(self) -> vim.Datastore:
        """The first one."""
        return vim.Datastore(self.place.datastore, self.stub)

    def place_now(self) -> Place:
        """Datastore clusters with the members that they have now."""
        if all(isinstance(each, Place) for each in self.stores):
            return self.place
        return present(self.content, self.stub, self.stores, self.place.folder)


class Session:
    """``guard``: one for all sessions of a process, since what locks an account is the sum of their refused logins."""

    def __init__(self, settings: Settings, timeout: float, guard: LoginGuard | None = None) -> None:
        self._settings = settings
        self._wires = Wires(settings, timeout)
        self.guard = guard or LoginGuard(settings)
        self._lock = threading.Lock()
        self._open: Open | None = None
        self._sieve: Sieve[Vm | Host | Datastore] = Sieve()
        # Of our folder, by datastore, where that shows another name: as it was last told.
        self._aliases: dict[str, str] = {}
        self.sent: Counter[str] = Counter()  # requests by method

    def run(self, call: Callable[[Open], T]) -> T:
        now = self._ensure()
        try:
            with translated():
                return call(now)
        except Fault as fault:
            if fault.kind not in {Kind.NOT_AUTHENTICATED, Kind.PLACE_GONE}:
                raise
            now = self._anew(now, fault)
        with translated():
            return call(now)

    def close(self) -> None:
        """Logs out, and cuts all connections: a thread that waits in one ends at once."""
        now = self._open
        try:
            if now is not None:
                with translated():
                    now.content.sessionManager.Logout()
        except CallError:
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

    def _anew(self, gone: Open, why: Fault) -> Open:
        """
        In place of a session that has ended, or that knows an object that is gone.

        A datastore that is nowhere any more lets no login succeed: for all others the session goes on as it is.
        """
        with self._lock:
            if self._open is not gone and self._open is not None:  # another thread has logged in already
                return self._open
            if why.kind is Kind.NOT_AUTHENTICATED:
                self._open = None
            try:
                self._open = self._login()
            except NotSent as error:
                if why.kind is Kind.NOT_AUTHENTICATED:
                    raise
                raise Fault(why.kind, f"{why}: {error}") from None
            finally:
                if self._open is not gone:
                    gone.stub.DropConnections()  # type: ignore[no-untyped-call]
            return self._open

    def _login(self) -> Open:
        try:
            credentials = self.guard.credentials()
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
        except CallError as error:
            stub.DropConnections()  # type: ignore[no-untyped-call]
            if isinstance(error, Fault) and error.kind is Kind.LOGIN:
                self.guard.refused(credentials)
            # Not `Doubt`: nothing of ours was asked for yet. From None: the frames hold the password.
            raise NotSent(f"no login at {self._settings.host}: {error}") from None

    def _greet(self, stub: _Stub, credentials: Credentials) -> Open:
        content = _content(stub)
        with translated():
            content.sessionManager.Login(credentials.user, credentials.password, None)
        try:
            with translated():
                return self._orient(stub, content)
        except CallError:
            # vCenter bears so many sessions, for all its users: one a second would stay until it lets in nobody.
            with suppress(CallError), translated():
                content.sessionManager.Logout()
            raise

    def _orient(self, stub: _Stub, content: Any) -> Open:
        wanted = self._settings
        datacenter = content.searchIndex.FindByInventoryPath(wanted.datacenter)
        if not isinstance(datacenter, vim.Datacenter):
            raise Fault(Kind.NOT_FOUND, f"there is no datacenter {wanted.datacenter}, or the user may not see it")
        views = _views(content, wanted.vm_folders)
        stores = find_stores(content, datacenter, wanted, self._aliases)
        place = present(content, stub, stores, wanted.folder.strip("/"))
        memo = Memo(wanted.whole_look)
        return Open(stub, content, datacenter, stores, views, place, self._wires, memo, self._sieve)


def _content(stub: _Stub) -> Any:
    """What an older server does not know may be the version of the question itself, or what the answer must have."""
    older = f"is the server older than vSphere {_OLDEST}?"
    try:
        with translated():
            content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
    except Fault as fault:
        raise Fault(fault.kind, f"{fault}; {older}") from None
    lacking = [name for name in _MANAGERS if getattr(content, name, None) is None]
    if lacking:
        raise Fault(Kind.INVALID, f"the server has no {', '.join(lacking)}: {older}")
    return content


def _views(content: Any, folders: Sequence[str]) -> tuple[vim.view.ContainerView, ...]:
    """All VMs, or those of some folders (and below), and all hosts and datastores."""
    view, others = content.viewManager.CreateContainerView, [vim.HostSystem, vim.Datastore]
    if not folders:
        return (view(content.rootFolder, [vim.VirtualMachine, *others], True),)
    found = {path: content.searchIndex.FindByInventoryPath(path.strip("/")) for path in folders}
    for path, folder in found.items():
        if not isinstance(folder, vim.Folder):
            raise Fault(Kind.NOT_FOUND, f"there is no folder {path} of VMs (vm_folders), or the user may not see it")
    machines = (view(folder, [vim.VirtualMachine], True) for folder in found.values())
    return (view(content.rootFolder, others, True), *machines)
