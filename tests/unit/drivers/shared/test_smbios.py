from __future__ import annotations

import pytest

from drivers.shared.smbios import normal_uuid, orders

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
