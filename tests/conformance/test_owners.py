"""The suite of notes that say whose a place is, on every driver of this package that can make them."""

from __future__ import annotations

import pytest

from reberth.testing import MarkedSuite
from tests.conformance.rigs import RIGS, RigKind

# A machine host of the lab belongs to one lab, and to the one swarm in it.
MARKED = [each for each in RIGS if each.kind.name != "lab"]


@pytest.fixture(params=MARKED, ids=lambda each: each.kind.name)
def made(request: pytest.FixtureRequest) -> RigKind:
    chosen: RigKind = request.param
    return chosen


class TestOwners(MarkedSuite):
    """Each of these rigs, one after the other."""
