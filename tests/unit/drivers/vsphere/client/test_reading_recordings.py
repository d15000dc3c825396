"""What is refused, left out or not told yet, as public recordings have it: `tests/fixtures/vcenter/`."""

from __future__ import annotations

import pytest
from pyVmomi import vim, vmodl

from drivers.shared.faults import Doubt
from drivers.vsphere.client.keyed import answers_keys
from drivers.vsphere.client.parts import alias_of, translated
from drivers.vsphere.client.reading import look, read_task, read_vm
from drivers.vsphere.faults import Fault, Kind
from tests.support.replay import PLACE, Replay


def fault_of(shape: str) -> Fault:
    with pytest.raises(Fault) as caught, translated():
        read_vm(Replay(RetrievePropertiesEx=shape).opened(), "vm-48")
    return caught.value


def test_an_answer_that_shows_nothing_at_all_is_not_an_inventory_without_vms() -> None:
    with pytest.raises(Doubt, match="no datastore"):
        look(Replay(RetrievePropertiesEx="look-nothing").opened())


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ("missing-notauthenticated", Kind.NOT_AUTHENTICATED),
        ("missing-nopermission", Kind.PERMISSION),
        ("fault-no-session", Kind.NOT_AUTHENTICATED),
        ("fault-vm-gone", Kind.GONE),
        ("fault-invalid-property", Kind.INVALID),
        ("fault-invalid-argument", Kind.INVALID),
        ("fault-restricted", Kind.DISABLED),
        ("fault-version", Kind.UNKNOWN),
    ],
)
def test_a_fault_in_any_form_is_of_its_kind(shape: str, kind: Kind) -> None:
    assert fault_of(shape).kind is kind


def test_what_cannot_be_read_is_named_with_the_object_also_where_the_fault_has_no_text() -> None:
    assert str(fault_of("missing-nopermission")) == "config.hardware.device of vm-48 cannot be read: NoPermission"


def test_a_fault_without_a_type_is_in_doubt() -> None:
    assert fault_of("fault-version").in_doubt
    assert not fault_of("fault-invalid-argument").in_doubt


def test_a_server_that_knows_no_single_settings_says_so_and_is_asked_for_all() -> None:
    content = Replay(RetrievePropertiesEx="fault-invalid-property").opened().content
    assert (
        answers_keys(content, [vmodl.query.PropertyCollector.ObjectSpec(obj=vim.VirtualMachine("vm-48"))], []) is False
    )


def test_a_refused_change_is_told_with_what_the_host_says_by_its_keys_where_it_has_no_texts() -> None:
    state = read_task(Replay(RetrievePropertiesEx="task-locked").opened(), "task-12")
    assert state.ended
    assert state.fault is not None
    assert (state.fault.kind, state.fault.in_doubt) == (Kind.CONFIG, False)
    expected = "GenericVmConfigFault: The change failed. / msg.disk.noBackEnd / The lock is taken"
    assert str(state.fault) == expected


@pytest.mark.parametrize("shape", ["task-running", "task-queued"])
def test_a_task_of_which_only_the_state_is_told_has_not_ended(shape: str) -> None:
    state = read_task(Replay(RetrievePropertiesEx=shape).opened(), "task-12")
    assert (state.ended, state.fault, state.found) == (False, None, None)


def test_a_server_without_names_in_datastores_cannot_tell_a_folders_id() -> None:
    content = vim.ServiceInstance("ServiceInstance", Replay(RetrieveServiceContent="content-6.0")).RetrieveContent()
    assert alias_of(content, vim.Datacenter("datacenter-2"), PLACE) is None
