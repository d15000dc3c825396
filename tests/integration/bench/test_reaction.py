"""A node's death, told by a Docker of the bench, ends in a call to the storage."""

from __future__ import annotations

from tests.bench.reaction import SMALL, run


def test_the_way_from_a_nodes_death_to_the_first_call_is_measured() -> None:
    assert run(SMALL).wall > 0
