"""When silence is a suspicion: beats missed, a gate that was asked, and not many at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, NodeId, VmId
from controller.reconciler.nodes.detector import IDLE_PACE, PACE, Silences, Timing, Voice, listen, pace

TIMING = Timing(3.0, 0.5)
BEGAN = 50.0


def voice(number: int, beat: float | None = 100.0, gate: float | None = 90.0, asked: float | None = None) -> Voice:
    return Voice(VmId(f"vm{number}"), BootId("b1"), beat, PACE, gate, asked)


def four(first: Voice, others: Voice | None = None) -> dict[NodeId, Voice]:
    """One node beside three that are heard."""
    rest = [voice(n) if others is None else replace(others, vm=VmId(f"vm{n}")) for n in range(2, 5)]
    return {NodeId("n1"): first} | {NodeId(f"n{n}"): each for n, each in enumerate(rest, 2)}


HEARD = voice(0, beat=103.0, gate=103.0)


def test_late_beats_make_the_gate_speak_and_are_no_suspicion() -> None:
    found = listen(four(voice(1), HEARD), 4, BEGAN, 101.6, TIMING)
    assert found == Silences({}, frozenset({VmId("vm1")}))
    assert listen(four(voice(1), HEARD), 4, BEGAN, 101.4, TIMING).ask == set()


def test_a_node_is_suspected_when_it_missed_its_beats_and_its_gate_was_asked_and_said_nothing() -> None:
    silent = four(voice(1, asked=101.5), HEARD)
    assert listen(silent, 4, BEGAN, 102.9, TIMING).since == {}
    assert listen(silent, 4, BEGAN, 104.0, TIMING).since == {NodeId("n1"): 103.0}


@pytest.mark.parametrize(
    "one",
    [
        voice(1, beat=None, asked=101.5),
        voice(1, gate=None),
        voice(1, asked=None),
        voice(1, beat=102.5, asked=101.5),
        voice(1, asked=103.0),
    ],
    ids=["never beat", "its gate never spoke", "its gate spoke", "it beats", "its gate was asked a moment ago"],
)
def test_one_voice_alone_is_not_enough(one: Voice) -> None:
    assert listen(four(one, HEARD), 4, BEGAN, 104.0, TIMING).since == {}


def test_what_was_missed_before_we_listened_does_not_count() -> None:
    """A new leader, or one that slept, waits the full time."""
    silent = four(voice(1, asked=101.5), HEARD)
    assert listen(silent, 4, 103.5, 106.4, TIMING).since == {}
    assert listen(silent, 4, 103.5, 106.6, TIMING).since == {NodeId("n1"): 106.5}


def test_where_many_are_silent_we_are_deaf_and_nobody_is_suspected() -> None:
    cut = replace(voice(0), asked=101.5)
    found = listen(four(voice(1, asked=101.5), cut), 4, BEGAN, 104.0, TIMING)
    assert not found.since
    assert found.deaf


def test_nodes_that_beat_seldom_are_asked_too_before_one_is_suspected() -> None:
    """Their gates tell who is deaf, long before their beats would."""
    seldom = replace(voice(0, beat=95.0, gate=90.0), every=15.0)
    assert listen(four(voice(1), seldom), 4, BEGAN, 101.6, TIMING).ask == {VmId(f"vm{n}") for n in range(1, 5)}
    asked = replace(seldom, asked=101.6)
    assert listen(four(voice(1, asked=101.6), asked), 4, BEGAN, 104.0, TIMING).deaf


def test_a_node_that_was_asked_a_moment_ago_is_not_taken_for_silent() -> None:
    asked = replace(voice(0, beat=95.0, gate=90.0), every=15.0, asked=103.9)
    assert not listen(four(voice(1, asked=101.5), asked), 4, BEGAN, 104.0, TIMING).deaf


def test_a_node_that_beats_seldom_is_missed_after_several_of_its_beats() -> None:
    seldom = replace(voice(1, asked=110.0), every=10.0)
    heard = voice(0, beat=129.0, gate=129.0)
    assert listen(four(seldom, heard), 4, BEGAN, 129.0, TIMING).since == {}
    assert listen(four(seldom, heard), 4, BEGAN, 131.0, TIMING).since == {NodeId("n1"): 130.0}


@pytest.mark.parametrize(
    ("watched", "many", "holds", "seconds"),
    [
        (0, 3, True, PACE),
        (100, 1000, True, PACE),
        (1000, 1000, True, 10.0),
        (3, 90, False, IDLE_PACE),
        (3, 330, False, 10.0),
        (10_000, 330, False, 100.0),
    ],
)
def test_beats_are_bounded_in_a_large_swarm(watched: int, many: int, *, holds: bool, seconds: float) -> None:
    assert pace(watched, many, holds=holds) == seconds
