"""The lab of a session, in a known state for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.lab import swarm
from deploy.lab.lab import Lab
from deploy.lab.names import Layout
from tests.conformance.lab_rig import reset
from tests.support.labs import shared_lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = shared_lab()
    reset(made)
    for node in made.nodes:
        swarm.wait_for_dockerd(Layout(made.spec.name), node)
    yield made
    reset(made)
