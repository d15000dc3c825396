"""The suite of snapshots, on every driver of this package that can copy a disk in use."""

from __future__ import annotations

import pytest

from reberth.testing import SnapshotSuite
from tests.conformance.rigs import RIGS, RigKind

ABLE = [each for each in RIGS if not each.kind.name.startswith("vsphere")]


@pytest.fixture(params=ABLE, ids=lambda each: each.kind.name)
def made(request: pytest.FixtureRequest) -> RigKind:
    chosen: RigKind = request.param
    return chosen


class TestSnapshots(SnapshotSuite):
    """Each of these rigs, one after the other."""
