"""Faults are told apart by their types: pure, on the real types of the vSphere API."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import pbm, vim, vmodl
from pyVmomi.VmomiSupport import GetVmodlType, GetWsdlTypes

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
        (vmodl.fault.ManagedObjectNotFound(), Kind.GONE),  # which says nothing of files
        (vim.fault.NoDiskSpace(), Kind.NO_SPACE),
        (vim.fault.InvalidPowerState(), Kind.STATE),
        (vmodl.fault.RequestCanceled(), Kind.CANCELED),
        (vmodl.fault.SystemError(), Kind.UNKNOWN),
        (vim.fault.Timedout(), Kind.UNKNOWN),
        (vim.fault.MethodDisabled(), Kind.DISABLED),
        (vim.fault.QuestionPending(), Kind.QUESTION),  # an InvalidState too
        (vmodl.fault.InvalidArgument(), Kind.INVALID),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else type(value).__name__,
)
def test_a_fault_counts_as_the_nearest_of_its_types(fault: vmodl.MethodFault, kind: Kind) -> None:
    assert fault_from(fault).kind is kind


CALLED = [
    (vim.VirtualMachine, ("Reconfigure", "PowerOff")),
    (vim.FileManager, ("MakeDirectory",)),
    (vim.host.DatastoreBrowser, ("Search",)),
    (vim.DatastoreNamespaceManager, ("ConvertNamespacePathToUuidPath",)),
    (vim.SessionManager, ("Login", "Logout")),
    (vim.SearchIndex, ("FindByInventoryPath",)),
    (vim.view.ViewManager, ("CreateContainerView",)),
    (vim.event.EventManager, ("LogUserEvent",)),
    (vim.CustomFieldsManager, ("AddFieldDefinition", "SetField")),
    (
        vmodl.query.PropertyCollector,
        (
            *("RetrievePropertiesEx", "ContinueRetrievePropertiesEx", "WaitForUpdatesEx"),
            *("CreatePropertyCollector", "CreateFilter", "Destroy"),
        ),
    ),
    (
        vim.VirtualDiskManager,
        (
            *("CreateVirtualDisk", "DeleteVirtualDisk", "CopyVirtualDisk", "MoveVirtualDisk"),
            *("SetVirtualDiskUuid", "QueryVirtualDiskUuid"),
        ),
    ),
]


def _faults_of(base: Any) -> list[Any]:
    return [each for each in GetWsdlTypes() if issubclass(each, base)]


def _declared() -> set[Any]:
    """Every fault that a method we call may answer with, by pyVmomi's type information, and every kind of it."""
    names = {fault for kind, methods in CALLED for name in methods for fault in kind._GetMethodInfo(name).faults}
    return {each for name in names for each in _faults_of(GetVmodlType(name))}


def test_every_fault_that_a_method_we_call_declares_has_a_chosen_kind() -> None:
    faults = _declared()
    assert len(faults) > 150
    assert {fault.__name__ for fault in faults if fault_from(fault()).kind is Kind.UNKNOWN} == set()


def test_only_known_refusals_among_the_runtime_faults_are_refusals_and_all_others_are_in_doubt() -> None:
    """Any method may answer with one, and a host may go on with what vCenter gave up."""
    refusals = {Kind.NOT_AUTHENTICATED, Kind.LOGIN, Kind.PERMISSION, Kind.BUSY, Kind.HOST_AWAY, Kind.GONE}
    refusals |= {Kind.DISABLED, Kind.LICENSE, Kind.INVALID, Kind.STATE}
    found = {fault: fault_from(fault()) for fault in _faults_of(vmodl.RuntimeFault)}
    assert len(found) > 80
    assert all(fault.in_doubt is (fault.kind not in refusals) for fault in found.values())
    assert fault_from(vmodl.fault.UnexpectedFault()).in_doubt
    assert fault_from(vmodl.fault.SystemError()).in_doubt
    assert fault_from(vim.fault.DatabaseError()).in_doubt


def test_what_only_the_probe_and_the_policy_service_may_answer_is_in_doubt() -> None:
    """No attach or detach rests on either."""
    found = {*_faults_of(vim.fault.SnapshotFault), *_faults_of(pbm.fault.PBMFault)}
    assert len(found) > 20
    refusals = {each for each in found if not fault_from(each()).in_doubt}
    assert refusals <= {pbm.fault.InvalidLogin, pbm.fault.DuplicateName}


def test_what_vcenter_gave_up_waiting_for_and_what_nobody_knows_is_in_doubt() -> None:
    assert fault_from(vim.fault.Timedout()).in_doubt
    assert fault_from(ValueError("no fault at all")).in_doubt


def test_a_wrong_state_is_a_refusal_of_the_call_and_in_doubt_once_a_task_has_begun() -> None:
    assert not fault_from(vim.fault.InvalidState()).in_doubt
    assert fault_from(vim.fault.InvalidState(), begun=True).in_doubt
    assert not fault_from(vim.fault.TaskInProgress(), begun=True).in_doubt


def test_what_hosts_say_beside_the_message_is_told_once_each() -> None:
    """ "Failed to lock the file" stands nowhere else."""
    said = [vmodl.LocalizableMessage(key="k", message=text) for text in ("Failed to lock the file", "Failed to add")]
    fault = fault_from(vim.fault.GenericVmConfigFault(msg="Failed to add", faultMessage=said))
    assert str(fault) == "GenericVmConfigFault: Failed to add / Failed to lock the file"


def test_the_file_and_the_device_of_a_fault_are_kept_and_its_message_is_for_people() -> None:
    assert fault_from(vim.fault.FileNotFound(file="[DS] a/b.vmdk")).file == "[DS] a/b.vmdk"
    found = fault_from(vim.fault.InvalidDeviceSpec(deviceIndex=3, msg="no\nsuch  device"))
    assert found.device == 3
    assert str(found) == "InvalidDeviceSpec: no such device"
