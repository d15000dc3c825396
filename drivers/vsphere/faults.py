"""
What can go wrong with a call to vCenter or ESXi, told apart by fault type, never by its text (texts are localised).

The names are those of the vSphere Web Services API; a fault counts as the first of its base types that is named here.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    NOT_AUTHENTICATED = "not-authenticated"
    LOGIN = "login"
    PERMISSION = "permission"
    BUSY = "busy"  # another task has the VM, or its configuration is newer than the one we read
    HOST_LOST = "host-lost"  # the call may have reached the host before it was lost
    HOST_AWAY = "host-away"  # vCenter did not even try: its host is disconnected
    LOCKED = "locked"
    EXISTS = "exists"
    NOT_FOUND = "not-found"
    NO_SPACE = "no-space"
    CONFIG = "config"  # how a lock failure on attach arrives: VmConfigFault and its family
    DEVICE = "device"
    STATE = "state"
    CANCELED = "canceled"
    OTHER = "other"


_KINDS = {
    "NotAuthenticated": Kind.NOT_AUTHENTICATED,
    "InvalidLogin": Kind.LOGIN,
    "NoPermission": Kind.PERMISSION,
    "TaskInProgress": Kind.BUSY,
    "ConcurrentAccess": Kind.BUSY,
    "HostNotConnected": Kind.HOST_AWAY,
    "InvalidHostState": Kind.HOST_AWAY,
    "InvalidHostConnectionState": Kind.HOST_AWAY,
    "HostCommunication": Kind.HOST_LOST,
    "HostConnectFault": Kind.HOST_LOST,
    "FileLocked": Kind.LOCKED,
    "FileAlreadyExists": Kind.EXISTS,
    "FileNotFound": Kind.NOT_FOUND,
    "ManagedObjectNotFound": Kind.NOT_FOUND,
    "NoDiskSpace": Kind.NO_SPACE,
    "InsufficientStorageSpace": Kind.NO_SPACE,
    "InvalidDeviceSpec": Kind.DEVICE,
    "VmConfigFault": Kind.CONFIG,
    "InvalidPowerState": Kind.STATE,
    "InvalidState": Kind.STATE,
    "RequestCanceled": Kind.CANCELED,
}


class NotSent(Exception):
    """No connection was made: the call cannot have had an effect."""


class Doubt(Exception):
    """The call was sent and not answered."""


class Fault(Exception):
    """VCenter's own answer: an error of a known kind, with the file and the index of the device change it is about."""

    def __init__(self, kind: Kind, why: str, file: str | None = None, device: int | None = None) -> None:
        super().__init__(why)
        self.kind = kind
        self.file = file
        self.device = device


def fault_from(error: object) -> Fault:
    """A pyVmomi fault as ours. Its message is for people only."""
    names = [cls.__name__.rsplit(".", 1)[-1] for cls in type(error).__mro__]
    kind = next((_KINDS[name] for name in names if name in _KINDS), Kind.OTHER)
    message = _message(error)
    file, device = getattr(error, "file", None), getattr(error, "deviceIndex", None)
    return Fault(kind, f"{names[0]}: {message}" if message else names[0], file, device)


def _message(error: object) -> str:
    text = getattr(error, "msg", None) or getattr(error, "localizedMessage", None) or ""
    return " ".join(str(text).split())[:300]
