"""What an administrator may say about the Ceph cluster."""

from __future__ import annotations

import pytest

from drivers.libvirt.rbd.settings import monitor
from drivers.libvirt.settings import Settings
from drivers.shared.settings import SettingsError

GOOD = {
    "monitors": ["10.0.0.1:3300", "[fd00::1]:3300", "mon.example.org"],
    "keyring": "/run/secrets/ceph",
    "secret": "5c6b8a52-3f0e-4a36-9d0c-7f1f0a1c2e11",
}


def parse(**more: object) -> Settings:
    return Settings.parse({"uris": ["qemu:///system"], "rbd": GOOD | more})


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"monitors": []}, "monitors"),
        ({"monitors": ["v2:10.0.0.1:3300/0"]}, "monitors"),
        ({"secret": "abc"}, "secret"),
        ({"pool": "a/b"}, "pool"),
        ({"user": "client reberth"}, "user"),
        ({"vm_user": "reberth"}, "lift its own fence"),
        ({"key": "x"}, "key"),
    ],
)
def test_wrong_settings_are_errors_that_name_the_key(more: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        parse(**more)


def test_images_of_ceph_are_raw() -> None:
    assert parse().extension == "raw"
    assert Settings.parse({"uris": ["qemu:///system"]}).extension == "qcow2"


def test_a_monitor_is_a_host_and_perhaps_a_port() -> None:
    assert [monitor(each) for each in GOOD["monitors"]] == [
        ("10.0.0.1", "3300"),
        ("fd00::1", "3300"),
        ("mon.example.org", ""),
    ]
