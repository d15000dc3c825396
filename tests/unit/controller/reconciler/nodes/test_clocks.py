"""How long a removed volume's disk is kept by controllers whose clocks are wrong."""

from __future__ import annotations

import pytest

from controller.model import NodeId, Phase, Spec, VolumeKey, VolumeName, VolumeRecord
from controller.reconciler.nodes.clocks import HEARD_WITHIN, by_most, grace, kept, no_later

DAY = 86_400.0
NOW = 1_000_000.0
AHEAD = {NodeId("a"): 0.0, NodeId("b"): -2 * DAY, NodeId("c"): -2 * DAY}  # two of three nodes are two days behind us


def test_a_clock_that_is_ahead_of_most_nodes_counts_by_theirs() -> None:
    assert no_later(NOW, AHEAD.values(), 5.0) == NOW - 2 * DAY


def test_a_clock_that_is_behind_counts_by_itself_and_waits_longer_for_what_it_begins() -> None:
    assert no_later(NOW, [2 * DAY, 2 * DAY, 0.0], 5.0) == NOW
    assert grace(DAY, [2 * DAY, 2 * DAY, 0.0]) == 3 * DAY
    assert grace(DAY, AHEAD.values()) == DAY
    assert grace(0.0, [2 * DAY]) == 0.0


def test_what_goes_by_most_clocks_waits_until_all_were_heard_and_then_corrects_a_wrong_one_either_way() -> None:
    assert by_most(NOW, AHEAD.values(), HEARD_WITHIN - 1) is None
    assert by_most(NOW, AHEAD.values(), HEARD_WITHIN) == NOW - 2 * DAY
    assert by_most(NOW, [2 * DAY, 2 * DAY, 0.0], HEARD_WITHIN) == NOW + 2 * DAY
    assert by_most(NOW, [], HEARD_WITHIN) == NOW


def test_one_node_with_a_wrong_clock_changes_nothing() -> None:
    assert no_later(NOW, [-900 * DAY, 0.1, 0.2], 5.0) == NOW
    assert grace(DAY, [900 * DAY, 0.0, -0.1]) == DAY


def test_nothing_is_due_until_nodes_could_have_told_their_clocks() -> None:
    assert no_later(NOW, [], HEARD_WITHIN - 1) is None
    assert no_later(NOW, [], HEARD_WITHIN) == NOW


@pytest.mark.parametrize(("now", "left"), [(None, HEARD_WITHIN), (NOW - 5, 5.0), (NOW, None)])
def test_a_disk_is_kept_while_its_time_has_not_come_or_is_not_known(now: float | None, left: float | None) -> None:
    name = VolumeName("data")
    record = VolumeRecord(name, VolumeKey("data-1"), Spec(2**30), fs_uuid="u", phase=Phase.DELETING, delete_at=NOW)
    assert kept({name: record}, now).get(name) == left
