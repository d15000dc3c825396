"""What an administrator may say about the hypervisors."""

from __future__ import annotations

import pytest

from drivers.libvirt.settings import Settings
from drivers.shared.settings import SettingsError


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
