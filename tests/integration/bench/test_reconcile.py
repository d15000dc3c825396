"""What is measured is what is meant: the measurement says so itself, and ends without a number where it is not so."""

from __future__ import annotations

import pytest

from tests.bench.large import Size
from tests.bench.reconcile import ROUNDS, run


@pytest.mark.parametrize("in_swarm", [False, True], ids=["memory", "swarm"])
def test_a_reconcile_of_a_settled_swarm_is_measured_in_each_round(in_swarm: bool) -> None:
    found = run(Size(nodes=10, tasks=100, volumes=20), in_swarm)
    assert (len(found.wall), len(found.cpu)) == (ROUNDS, ROUNDS)
