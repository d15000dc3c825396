"""A volume is restored from a snapshot, in every order of events: no law is broken, and no task waits for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product

import pytest

from tests.sim.liveness import Liveness
from tests.sim.search import search
from tests.sim.state import LAB, VSPHERE, Budget, Storage

RESTORED = Budget(elections=0, doubts=0, crashes=0, boots=0, cuts=0, moves=2, restores=1)
SCENES = {
    "while a leader changes": RESTORED._replace(elections=1),
    "a call in doubt, a disk lost sight of": RESTORED._replace(doubts=1, mislays=1),
    "a node is cut off and mended": RESTORED._replace(cuts=1),
    "a VM dies and comes back": RESTORED._replace(crashes=1, boots=1),
}
LARGE = os.environ.get("REBERTH_SEARCH") == "large"
ALL = list(product((VSPHERE, LAB), SCENES))
QUICK = [(VSPHERE, "while a leader changes"), (LAB, "a VM dies and comes back")]
Say = Callable[[str], None]


@pytest.mark.parametrize(("storage", "name"), ALL if LARGE else QUICK, ids=lambda each: getattr(each, "name", each))
def test_no_order_of_events_restores_under_a_writer_or_leaves_a_task_waiting(
    say: Say, storage: Storage, name: str
) -> None:
    found = search(storage, SCENES[name], lasting=Liveness())
    say(f"{found.states:>8} states: a volume is restored, {name} ({storage.name}, 2 VMs)")

    assert found.story is None, found.story
