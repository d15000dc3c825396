"""What tests of the gate on real mounts begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate_rig import MIB, Disk, disk, private_mounts


@pytest.fixture
def own_mounts() -> Iterator[None]:
    with private_mounts():
        yield


@pytest.fixture
def spare(own_mounts: None, tmp_path: Path) -> Iterator[Disk]:
    """A blank disk."""
    with disk(tmp_path) as made:
        yield made


@pytest.fixture(params=["ext4", "xfs"])
def spare_of_kind(own_mounts: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Disk, str]]:
    """A blank disk that xfs takes, too, and the file system that it is to get."""
    with disk(tmp_path, size=400 * MIB) as made:
        yield made, request.param
