"""A node's spec with the label of the dead, and without it."""

from __future__ import annotations

from watchers.node_labels import relabelled

SPEC = {"Role": "worker", "Availability": "active", "Labels": {"rack": "7"}}
DEAD = {**SPEC, "Labels": {"rack": "7", "reberth": "down"}}


def test_the_label_is_added_to_what_a_node_has_and_taken_from_it_again() -> None:
    assert relabelled(SPEC, "reberth", "down") == DEAD
    assert relabelled(DEAD, "reberth", None) == SPEC


def test_a_node_without_labels_is_no_exception() -> None:
    assert relabelled({"Role": "worker", "Labels": None}, "reberth", "down")["Labels"] == {"reberth": "down"}


def test_another_value_is_a_persons_and_is_left_alone() -> None:
    own = {**SPEC, "Labels": {"reberth": "rack7"}}
    assert relabelled(own, "reberth", None) == own
