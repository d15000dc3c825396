"""The suite of growth, on every driver of this package: all can make a disk larger."""

from __future__ import annotations

import pytest

from reberth.testing import GrowthSuite
from tests.conformance.rigs import RIGS, RigKind

# Debian's simulator library as it is fails on each edit of a device; ours in front of it takes edits as vCenter does.
GROWING = [each for each in RIGS if each.kind.name != "vsphere"]


@pytest.fixture(params=GROWING, ids=lambda each: each.kind.name)
def made(request: pytest.FixtureRequest) -> RigKind:
    chosen: RigKind = request.param
    return chosen


class TestGrowth(GrowthSuite):
    """Each of these rigs, one after the other."""
