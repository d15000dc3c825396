"""What tests of the gate on real mounts begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate_rig import Disk, disk, private_mounts


@pytest.fixture
def own_mounts() -> Iterator[None]:
    with private_mounts():
        yield


@pytest.fixture
def spare(own_mounts: None, tmp_path: Path) -> Iterator[Disk]:
    """A blank disk."""
    with disk(tmp_path) as made:
        yield made
