"""
Disks that all nodes see: an attach is an order to the gate of a node, which may carry it out at any time later, and a
detach is the storage's own refusal. Every order of events keeps one writer, also where nobody sees the old VM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.model import FencePolicy, Policy
from tests.sim.liveness import Liveness
from tests.sim.search import search
from tests.sim.state import LUN, Budget

Say = Callable[[str], None]
CALM = Budget(elections=0, doubts=0, crashes=0, boots=0, cuts=0, moves=1)
SCENES = {
    "a node is cut off and mended": CALM._replace(cuts=1),
    "a node is cut off, nobody sees its VM": CALM._replace(cuts=1, hides=1),
    "an order is in doubt, its node is cut off": CALM._replace(cuts=1, doubts=1),
    "orders in doubt while the task moves": CALM._replace(doubts=2, moves=2),
    "a leader changes, an order is late": CALM._replace(elections=1, doubts=1),
    "a leader changes, a node is cut off": CALM._replace(elections=1, cuts=1),
    "a VM dies and comes back": CALM._replace(crashes=1, boots=1),
    "a gate starts again without its memory": CALM._replace(forgets=1, cuts=1),
    "the storage cannot be read for a while": CALM._replace(blinds=1, cuts=1),
}
LATE = CALM._replace(cuts=1, doubts=1, moves=2)  # of two orders to one VM the first comes after the fence


@pytest.mark.parametrize("name", SCENES)
def test_no_order_of_events_breaks_a_law_where_nodes_connect_the_disk(say: Say, name: str) -> None:
    found = search(LUN, SCENES[name], lasting=Liveness())
    say(f"{found.states:>8} states: {name} ({LUN.name}, 2 VMs)")

    assert found.story is None, found.story


def test_a_key_that_is_registered_or_taken_away_by_hand_gives_nobody_a_second_writer(say: Say) -> None:
    """
    A node that does not obey registers again, or somebody takes a holder's key: an alarm, or its container fails. Until
    that has ended its node is refused again and again, which is no rest.
    """
    found = search(LUN, CALM._replace(hands=1, cuts=1))
    say(f"{found.states:>8} states: a key is registered, or taken away, by hand ({LUN.name}, 2 VMs)")

    assert found.story is None, found.story


def test_a_volume_moves_from_a_vm_that_nobody_sees() -> None:
    """With the policy hold the same scene waits for a person; both break no law."""
    budget = SCENES["a node is cut off, nobody sees its VM"]
    held = Policy(fence=FencePolicy.HOLD, grace=0.0, max_down_fraction=1.0, capabilities=LUN.capabilities)
    moved, waits = search(LUN, budget), search(LUN, budget, policy=held)

    assert (moved.story, waits.story) == (None, None)
    assert moved.states > waits.states


GUARDED = {
    "the storage knows the epoch": replace(LUN, knows_use=False, epochs=False),
    "the gate knows the epoch, and whether the disk is in use": replace(LUN, knows_epoch=False),
}


@pytest.mark.parametrize("name", GUARDED)
def test_either_guard_against_late_orders_keeps_the_disk_from_a_fenced_vm(say: Say, name: str) -> None:
    """In the scene below, in which there is no other."""
    found = search(GUARDED[name], LATE)
    say(f"{found.states:>8} states: late orders, only {name}")

    assert found.story is None, found.story


def test_without_a_guard_a_late_order_gives_a_fenced_vm_its_disk_back(say: Say) -> None:
    """Also where no order connects what is in use: the VM has a permission left, and mounts under it."""
    found = search(replace(LUN, knows_epoch=False, epochs=False), LATE)
    say(f"{found.length:>8} events until a law is broken: late orders, and nobody knows their epoch")

    assert found.story is not None
    assert "as proven free, but it writes" in found.story
