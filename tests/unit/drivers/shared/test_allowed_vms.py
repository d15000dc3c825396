"""Which VMs are touched at all: what a node says of itself opens none that the settings leave out."""

from __future__ import annotations

import pytest

from controller.model import VmId
from drivers.shared.allowed_vms import check, foreign
from drivers.shared.settings import SettingsError

VM = VmId("420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b")
SWAPPED = "6c0b0f42-2e1d-403f-8a9b-0c1d2e3f4a5b"  # the same machine, in the other byte order
OTHER = "564d0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5c"


@pytest.mark.parametrize(
    ("patterns", "names", "touched"),
    [
        ((), ["anything"], True),
        ((), [], True),
        (("swarm-*",), ["swarm-1"], True),
        (("swarm-*",), ["payroll"], False),
        (("swarm-*",), ["my-swarm-1"], False),
        (("swarm-*",), ["Swarm-1"], False),
        (("swarm-1", "swarm-2"), ["swarm-2"], True),
        (("swarm-*",), [], False),
        (("swarm-*",), ["swarm-1", "payroll"], False),  # two VMs of one UUID: it is not known which is meant
        ((VM,), ["payroll"], True),
        ((VM.upper(),), ["payroll"], True),
        ((SWAPPED,), [], True),
        ((OTHER,), ["swarm-1"], False),
    ],
)
def test_a_vm_is_touched_whose_name_or_uuid_the_settings_name(
    patterns: tuple[str, ...], names: list[str], touched: bool
) -> None:
    assert (foreign(patterns, VM, names) is None) is touched


def test_a_vm_that_is_not_named_is_refused_with_its_name_and_the_cure() -> None:
    refused = foreign(("swarm-*",), VM, ["payroll"])
    assert refused is not None
    assert f"payroll ({VM})" in refused.why
    assert "`vms`" in str(refused.cure)


def test_an_empty_name_is_an_error_and_not_all_vms() -> None:
    with pytest.raises(SettingsError, match="empty name"):
        check(("swarm-*", " "), "vsphere")
