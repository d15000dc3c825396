"""What a disk says of itself is believed only where it fits: whoever had it before may have written anything."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from controller.gate.kernel.handout import NAME_FILE, Nameplate, read_nameplate
from controller.volumes.naming import volume_key, volume_name

DATA = volume_name("data")
KEY = volume_key(DATA) if isinstance(DATA, str) else ""


@pytest.mark.parametrize(
    ("name", "key", "believed"),
    [("data", KEY, True), ("other", KEY, False), ("../x", KEY, False), ("data", "k", False)],
)
def test_a_disk_names_the_volume_that_is_mounted_there_or_none(
    tmp_path: Path, name: str, key: str, believed: bool
) -> None:
    """Under another name, a mount that the gate has forgotten would be called that volume's, and its own unmounted."""
    target = tmp_path / KEY
    target.mkdir()
    (target / NAME_FILE).write_bytes(msgspec.json.encode(Nameplate(name, key, 3)))
    assert (read_nameplate(target) is not None) is believed


def test_a_nameplate_that_is_a_link_is_not_followed_though_it_leads_to_a_true_one(tmp_path: Path) -> None:
    """A disk chooses no file of the node for the gate to open, which is root there."""
    target, elsewhere = tmp_path / KEY, tmp_path / "elsewhere"
    target.mkdir()
    elsewhere.write_bytes(msgspec.json.encode(Nameplate("data", KEY, 3)))
    (target / NAME_FILE).symlink_to(elsewhere)
    assert read_nameplate(target) is None


@pytest.mark.parametrize("serial", [-1, 2**32 + 1, 10**30])
def test_a_nameplate_with_a_serial_that_nobody_gave_is_none(tmp_path: Path, serial: int) -> None:
    """In the gate's report it would be refused by the controller, and with it all that the gate says of others."""
    target = tmp_path / KEY
    target.mkdir()
    (target / NAME_FILE).write_text(f'{{"name":"data","key":"{KEY}","serial":{serial}}}')
    assert read_nameplate(target) is None
