"""The way out of the device cgroup. That it is one is shown where Docker runs the controllers (tests/storage)."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.lun.devices import leave
from drivers.shared.settings import SettingsError


def test_where_no_way_out_is_mounted_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "cgroup").mkdir()
    leave(tmp_path)
    assert list((tmp_path / "cgroup").iterdir()) == []


def test_a_way_that_leads_nowhere_is_told_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup-namespace").touch()
    with pytest.raises(SettingsError, match="so it can open no LUN"):
        leave(tmp_path)
