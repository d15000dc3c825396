from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from drivers import loading
from drivers.loading import LoadingError, load


def test_no_driver_is_an_error_that_says_where_to_write_its_name() -> None:
    with pytest.raises(LoadingError, match=r"no storage is configured: put `driver = .* \[storage\]"):
        load(None, {})


def test_an_unknown_driver_is_an_error_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(
        LoadingError, match=r"no storage driver 'memry': did you mean 'memory'\? known drivers: .*lab.*"
    ):
        load("memry", {})


def test_a_key_that_the_driver_does_not_know_is_named() -> None:
    with pytest.raises(LoadingError, match=r"\[storage\.memory\].*`colour`"):
        load("memory", {"colour": "red"})


def test_a_value_of_the_wrong_type_names_the_key() -> None:
    with pytest.raises(LoadingError, match=r"Expected `int`.*max_disks_per_vm"):
        load("memory", {"max_disks_per_vm": "many"})


def test_a_known_driver_is_made() -> None:
    assert load("memory", {}).capabilities.name == "memory"


def test_the_known_drivers_are_those_of_the_entry_points() -> None:
    assert {"memory", "lab"} <= set(loading.known())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("drivers.no_such_module:create", "something that is missing"),
        ("drivers.memory:no_such_name", "installed wrongly"),
        ("drivers.memory:CAPABILITIES", "cannot be called"),
    ],
)
def test_a_driver_that_is_installed_wrongly_says_so(value: str, message: str) -> None:
    entry = EntryPoint("broken", value, loading.GROUP)
    with pytest.raises(LoadingError, match=message):
        loading._import(entry)
