"""
What can go wrong with a call to vCenter or ESXi, told apart by fault type, never by its text (texts are localised).

The names are those of the vSphere Web Services API; a fault counts as the first of its base types that is named here.
"""

from __future__ import annotations

from enum import Enum

from drivers.shared import faults as shared


class Kind(Enum):
    NOT_AUTHENTICATED = "not-authenticated"
    LOGIN = "login"
    PERMISSION = "permission"
    BUSY = "busy"  # another task has the VM, or its configuration is newer than the one we read
    HOST_LOST = "host-lost"  # the call may have reached the host before it was lost
    HOST_AWAY = "host-away"  # vCenter did not even try: its host is disconnected
    LOCKED = "locked"
    EXISTS = "exists"
    NOT_FOUND = "not-found"  # a file
    GONE = "gone"  # an object of vCenter's: that says nothing about files
    PLACE_GONE = "place-gone"  # one that was looked up at the login, as a datastore that was mounted anew since
    NO_SPACE = "no-space"
    RESOURCES = "resources"
    DATASTORE = "datastore"  # not there, or not to be reached
    FILE = "file"
    CONFIG = "config"  # how a lock failure on attach arrives: VmConfigFault and its family
    DEVICE = "device"
    QUESTION = "question"  # the VM waits for somebody's answer
    STATE = "state"
    DISABLED = "disabled"  # switched off for this VM or host: by a backup, a service, an administrator
    LICENSE = "license"
    INVALID = "invalid"  # the request itself is not accepted
    CANCELED = "canceled"
    UNKNOWN = "unknown"  # vCenter gave up waiting for the host, fell over, or says something that we do not know


_BY_KIND = {
    Kind.NOT_AUTHENTICATED: ("NotAuthenticated", "AuthenticationRequired", "InvalidToken", "SessionNotFound"),
    Kind.LOGIN: ("InvalidLogin", "InvalidLocale"),
    Kind.PERMISSION: ("NoPermission", "SecurityError"),
    Kind.BUSY: ("TaskInProgress", "ConcurrentAccess", "VAppOperationInProgress"),
    Kind.HOST_AWAY: ("HostNotConnected", "InvalidHostState", "InvalidHostConnectionState"),
    Kind.HOST_LOST: ("HostCommunication", "HostConnectFault"),
    Kind.LOCKED: ("FileLocked",),
    Kind.EXISTS: ("FileAlreadyExists",),
    Kind.NOT_FOUND: ("FileNotFound",),
    Kind.GONE: ("ManagedObjectNotFound",),
    Kind.PLACE_GONE: (),
    Kind.NO_SPACE: ("NoDiskSpace", "InsufficientStorageSpace"),
    Kind.RESOURCES: ("InsufficientResourcesFault",),
    Kind.DATASTORE: ("InvalidDatastore",),
    Kind.FILE: ("FileFault",),
    Kind.CONFIG: ("VmConfigFault",),
    Kind.DEVICE: ("InvalidDeviceSpec",),
    Kind.QUESTION: ("QuestionPending",),
    Kind.STATE: ("InvalidState",),
    Kind.DISABLED: (
        *("MethodDisabled", "MethodAlreadyDisabledFault", "RestrictedByAdministrator", "RestrictedVersion"),
        *("HostAccessRestrictedToManagementServer", "DisallowedChangeByService", "OperationDisallowedOnHost"),
        "DisallowedOperationOnFailoverHost",
    ),
    Kind.LICENSE: ("NotEnoughLicenses",),
    Kind.INVALID: (
        *("InvalidArgument", "InvalidRequest", "InvalidType", "InvalidProperty", "InvalidName", "DuplicateName"),
        "InvalidPrivilege",
        *("MethodNotFound", "NotImplemented", "NotSupported", "InvalidDatastorePath", "InvalidDiskFormat"),
        "InvalidCollectorVersion",
    ),
    Kind.CANCELED: ("RequestCanceled",),
    Kind.UNKNOWN: ("Timedout", "RuntimeFault", "MethodFault"),
}
_KINDS = {name: kind for kind, names in _BY_KIND.items() for name in names}
# After these the call may have had an effect, or may have one yet.
_IN_DOUBT = frozenset({Kind.HOST_LOST, Kind.CANCELED, Kind.UNKNOWN})
_LONGEST = 600  # characters of a message


class Fault(shared.Fault):
    """
    VCenter's own answer: an error of a known kind, with the file and the index of the device change it is about.

    ``begun``: the error of a task, not of the call that should have started one.
    """

    def __init__(
        self, kind: Kind, why: str, file: str | None = None, device: int | None = None, *, begun: bool = False
    ) -> None:
        super().__init__(why)
        self.kind = kind
        self.file = file
        self.device = device
        self.begun = begun

    @property
    def in_doubt(self) -> bool:
        # A state in which it cannot be done may be the one after it was half done.
        return self.kind in _IN_DOUBT or (self.begun and self.kind is Kind.STATE)


def is_kind(error: Exception, *kinds: Kind) -> bool:
    return isinstance(error, Fault) and error.kind in kinds


def fault_from(error: object, *, begun: bool = False) -> Fault:
    """A pyVmomi fault as ours. Its message is for people only."""
    names = [cls.__name__.rsplit(".", 1)[-1] for cls in type(error).__mro__]
    kind = next((_KINDS[name] for name in names if name in _KINDS), Kind.UNKNOWN)
    message = _message(error)
    file, device = getattr(error, "file", None), getattr(error, "deviceIndex", None)
    return Fault(kind, f"{names[0]}: {message}" if message else names[0], file, device, begun=begun)


def _message(error: object) -> str:
    """With what hosts say beside it: there alone stands "Failed to lock the file", and which snapshot is in the way."""
    first = getattr(error, "msg", None) or getattr(error, "localizedMessage", None) or ""
    # Not every host has a text for what it says: then the key tells more than nothing.
    told = getattr(error, "faultMessage", None) or ()
    more = [getattr(each, "message", None) or getattr(each, "key", None) or "" for each in told]
    said = dict.fromkeys(" ".join(str(text).split()) for text in (first, *more))
    return " / ".join(text for text in said if text)[:_LONGEST]
