"""A watch whose settings cannot be used just now."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.shared.faults import NotSent
from drivers.vsphere.client import Watch
from drivers.vsphere.settings import Settings


def test_a_ca_file_that_cannot_be_read_when_a_watch_connects_again_ends_no_controller(tmp_path: Path) -> None:
    """It was there at the start, and is being replaced: the watch is tried again later."""
    settings = Settings(
        host="127.0.0.1",
        user_file="user",
        password_file="password",
        datacenter="DC",
        datastore="DS",
        ca_file=str(tmp_path / "ca.pem"),
    )
    with pytest.raises(NotSent, match="ca_file"):
        Watch(settings, 1.0)
