"""What an administrator may say about the hypervisors."""

from __future__ import annotations

import pytest

from drivers.libvirt.settings import Settings
from drivers.shared.settings import SettingsError

RBD = {
    "user": "u",
    "vm_user": "v",
    "secret": "00000000-0000-4000-8000-000000000001",
    "monitors": ["a"],
    "keyring": "/k",
}


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({}, "uris"),
        ({"uris": []}, "name each host"),
        ({"uris": ["kvm1"]}, "write it like"),
        ({"uris": ["qemu:///system", "qemu:///system"]}, "twice"),
        ({"uris": ["qemu:///system"], "format": "vmdk"}, "format"),
        ({"uris": ["qemu:///system"], "cache": "writeback"}, "cache"),
        ({"uris": ["qemu:///system"], "pool": " "}, "pool is empty"),
        ({"uris": ["qemu:///system"], "uri": "x"}, "uri"),
        ({"uris": ["qemu:///system"], "pools": ["fast", ""]}, "pools has an empty name"),
        ({"uris": ["qemu:///system"], "pools": ["fast", "reberth"]}, "name a storage pool twice"),
        ({"uris": ["qemu:///system"], "pools": ["fast"], "rbd": RBD}, "pools are of files"),
    ],
)
def test_wrong_settings_are_errors_that_name_the_key(raw: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        Settings.parse(raw)


def test_hosts_in_a_variable_are_separated_by_spaces() -> None:
    assert Settings.parse({"uris": "qemu+tls://a/system qemu+tls://b/system"}).uris == (
        "qemu+tls://a/system",
        "qemu+tls://b/system",
    )


def test_pools_in_a_variable_are_separated_by_spaces_and_come_after_the_default_one() -> None:
    assert Settings.parse({"uris": "qemu:///system", "pools": "fast slow"}).pool_names == ("reberth", "fast", "slow")
