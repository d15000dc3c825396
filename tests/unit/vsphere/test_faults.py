"""Faults are told apart by their types: pure, on the real types of the vSphere API."""

from __future__ import annotations

import pytest
from pyVmomi import vim, vmodl

from drivers.vsphere.faults import Kind, fault_from


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (vim.fault.NotAuthenticated(), Kind.NOT_AUTHENTICATED),  # a NoPermission too
        (vim.fault.InvalidLogin(), Kind.LOGIN),
        (vim.fault.NoPermission(), Kind.PERMISSION),
        (vim.fault.TaskInProgress(), Kind.BUSY),  # an InvalidState too
        (vim.fault.ConcurrentAccess(), Kind.BUSY),
        (vmodl.fault.HostNotConnected(), Kind.HOST_AWAY),  # a HostCommunication too
        (vmodl.fault.HostNotReachable(), Kind.HOST_LOST),
        (vmodl.fault.HostCommunication(), Kind.HOST_LOST),
        (vim.fault.InvalidHostState(), Kind.HOST_AWAY),
        (vim.fault.GenericVmConfigFault(), Kind.CONFIG),
        (vim.fault.InvalidDeviceSpec(), Kind.DEVICE),  # a VmConfigFault too
        (vim.fault.FileLocked(), Kind.LOCKED),
        (vim.fault.FileAlreadyExists(), Kind.EXISTS),
        (vim.fault.FileNotFound(), Kind.NOT_FOUND),
        (vmodl.fault.ManagedObjectNotFound(), Kind.NOT_FOUND),
        (vim.fault.NoDiskSpace(), Kind.NO_SPACE),
        (vim.fault.InvalidPowerState(), Kind.STATE),
        (vmodl.fault.RequestCanceled(), Kind.CANCELED),
        (vmodl.fault.SystemError(), Kind.OTHER),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else type(value).__name__,
)
def test_a_fault_counts_as_the_nearest_of_its_types(fault: vmodl.MethodFault, kind: Kind) -> None:
    assert fault_from(fault).kind is kind


def test_the_file_and_the_device_of_a_fault_are_kept_and_its_message_is_for_people() -> None:
    assert fault_from(vim.fault.FileNotFound(file="[DS] a/b.vmdk")).file == "[DS] a/b.vmdk"
    found = fault_from(vim.fault.InvalidDeviceSpec(deviceIndex=3, msg="no\nsuch  device"))
    assert found.device == 3
    assert str(found) == "InvalidDeviceSpec: no such device"
