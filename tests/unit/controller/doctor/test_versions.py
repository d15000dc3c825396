"""Of two versions the older one is told, and of what is no version nothing."""

from __future__ import annotations

import pytest

from controller.doctor.versions import is_older


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.1.0", "0.2.0"),
        ("0.9", "0.10"),
        ("1", "1.0.1"),
        ("v1.0", "1.1"),
        ("1.0rc1", "1.0.0"),
        ("1.0.dev3", "1.0"),
        ("0.9", "1.0rc1"),
    ],
)
def test_the_older_one_is_older_and_the_newer_one_is_not(one: str, other: str) -> None:
    assert is_older(one, other)
    assert not is_older(other, one)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0.0"), ("1.0rc1", "1.0rc1"), ("unknown", "1.0"), ("1.0", "")])
def test_equal_or_unknown_ones_have_no_order(one: str, other: str) -> None:
    assert not is_older(one, other)
    assert not is_older(other, one)
