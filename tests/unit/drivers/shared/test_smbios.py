from __future__ import annotations

import pytest

from drivers.shared.smbios import normal_uuid, one_machine, orders

ONE, OTHER = "00112233-4455-6677-8899-aabbccddeeff", "33221100-5544-7766-8899-aabbccddeeff"


def test_the_first_three_fields_may_be_in_either_byte_order() -> None:
    assert orders(ONE) == orders(OTHER) == {ONE, OTHER}


@pytest.mark.parametrize("written", [ONE.upper(), ONE.replace("-", ""), f"{{{ONE}}}", f"urn:uuid:{ONE}"])
def test_a_uuid_is_known_however_it_is_written(written: str) -> None:
    assert normal_uuid(written) == ONE


@pytest.mark.parametrize(
    "text",
    [
        *("", "none", ONE[:-1], "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        *("03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009"),
    ],
)
def test_what_many_machines_have_is_no_identity(text: str) -> None:
    assert (normal_uuid(text), orders(text)) == ("", frozenset())


def test_one_machine_is_known_however_its_uuid_is_written() -> None:
    plain, swapped = "420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b", "6c0b0f42-2e1d-403f-8a9b-0c1d2e3f4a5b"
    assert all(one_machine(plain, each) for each in (plain, swapped, plain.upper(), swapped.replace("-", "")))
    assert one_machine("vm-a", "vm-a")
    assert not one_machine("vm-a", "vm-b")
    assert not one_machine(plain, plain.replace("4", "5"))
