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
