"""The settings of the vSphere driver."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.shared.settings import SettingsError
from drivers.vsphere.settings import Settings

GOOD: dict[str, Any] = {
    "host": "vcenter.example",
    "user_file": "/run/secrets/user",
    "password_file": "/run/secrets/password",
    "datacenter": "DC",
    "datastore": "DS",
}


def test_what_is_needed_suffices() -> None:
    assert Settings.parse(GOOD).disk_format == "thin"


def test_numbers_may_come_from_the_environment() -> None:
    assert Settings.parse({**GOOD, "port": "8443", "disks_per_controller": "64"}).disks_per_controller == 64


def test_a_datastore_is_chosen_by_its_name_without_its_folder_and_as_vcenter_shows_it() -> None:
    assert list(Settings.parse(GOOD).stores) == ["DS"]
    several = Settings.parse({**GOOD, "datastore": "SAN/one", "datastores": ["a%2fb", "SAN/one"]}).stores
    assert list(several.items()) == [("one", "SAN/one"), ("a/b", "a%2fb")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"datastores": ["/"]}, "datastores"),
        ({"hots": "x"}, "hots"),
        ({"disk_format": "thick"}, "disk_format"),
        ({"disks_per_controller": 20}, "disks_per_controller"),
        ({"ca_file": "a", "thumbprint": "00" * 32}, "not both"),
        ({"thumbprint": "00:11"}, "64 hex digits"),
        ({"thumbprint": "zz" * 32}, "64 hex digits"),
        ({"thumbprint": "ab" * 32 + " cd"}, "64 hex digits"),
        ({"thumbprint": " "}, "64 hex digits"),
        ({"folder": "/"}, "folder"),
        ({"folder": "a/../b"}, "folder"),
        ({"folder": "a//b"}, "folder"),
        ({"folder": "a/./b"}, "folder"),
        ({"folder": "a/ b"}, "folder"),
        ({"call_timeout": 0}, "call_timeout"),
        ({"task_timeout": -1}, "task_timeout"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.parse({**GOOD, **change})


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="datastore"):
        Settings.parse({key: value for key, value in GOOD.items() if key != "datastore"})


def test_a_thumbprint_may_have_colons_and_capitals() -> None:
    assert Settings.parse({**GOOD, "thumbprint": ":".join(["AB"] * 32)}).thumbprints == ("ab" * 32,)


def test_the_old_and_the_new_certificate_may_both_be_named_while_it_is_renewed() -> None:
    both = f"{'AB' * 32}, {'cd' * 32}"
    assert Settings.parse({**GOOD, "thumbprint": both}).thumbprints == ("ab" * 32, "cd" * 32)


@pytest.mark.parametrize(("name", "value"), [("whole_look", -1), ("vm_folders", ["/"])])
def test_what_is_read_and_how_often_must_make_sense(name: str, value: object) -> None:
    raw = {"host": "h", "user_file": "/u", "password_file": "/p", "datacenter": "d", "datastore": "s"}
    with pytest.raises(SettingsError, match=name):
        Settings.parse({**raw, name: value})
