"""Numbers that anybody who may change a VM can have written."""

from __future__ import annotations

import pytest

from drivers.shared.numbers import number


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "²", "9" * 19, "9" * 5000])
def test_what_is_no_number_of_ours_is_none_and_no_error(text: str) -> None:
    """Python takes the square for a digit, and refuses thousands of digits: each would hide a whole hypervisor."""
    assert number(text) is None


def test_numbers_of_ours_are_read() -> None:
    assert (number("0"), number("9" * 18)) == (0, 10**18 - 1)
