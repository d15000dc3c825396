"""Each rule of the planner is needed: without it the search finds a story that goes wrong. Its length is printed."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.sim.careless import NAMES, without
from tests.sim.liveness import Liveness
from tests.sim.search import content, search
from tests.sim.state import GHOST, INVENTORY, VSPHERE, Budget, Storage

CALM = Budget(elections=0, doubts=0, crashes=0, boots=0, cuts=0, moves=1)

NEEDED: dict[str, tuple[Storage, Budget, str]] = {
    "evidence": (VSPHERE, CALM._replace(cuts=1), "as proven free, but it writes"),
    "paused": (VSPHERE, CALM._replace(rests=1), "is done about what a person has paused"),
    "superseded": (VSPHERE, CALM._replace(cuts=1), "holds a valid grant"),
    "obeyed": (VSPHERE, CALM._replace(moves=3), "as proven free, but it writes"),
    "boot_agreed": (VSPHERE, CALM._replace(elections=2, crashes=1, boots=1), "as proven free, but it writes"),
    "seen_off": (VSPHERE, CALM._replace(cuts=1, hides=1), "as proven free, but it writes"),
    "confirmed_boot": (
        VSPHERE, CALM._replace(crashes=1, boots=1, cuts=1, words=1), "as proven free, but it writes"
    ),
    "vm_seen": (INVENTORY, CALM._replace(cuts=1, hides=1), "as proven free, but it writes"),
    "detach_proves": (GHOST, CALM._replace(hands=1, cuts=1), "as proven free, but it writes"),
    "detach_agreed": (VSPHERE, CALM._replace(mislays=1), "as proven free, but it writes"),
    "back": (VSPHERE, CALM._replace(cuts=1, lags=1), "is fenced although it spoke since"),
    "silent": (VSPHERE, CALM._replace(misses=1), "is fenced although it spoke since"),
    "holder": (VSPHERE, CALM._replace(cuts=1), "holds a valid grant"),
    "known_there": (VSPHERE, CALM._replace(moves=2, cuts=1, backups=1), "as proven free, but it writes"),
    "deposed": (VSPHERE, CALM._replace(elections=1, moves=2), "holds a valid grant"),
    "stamped": (VSPHERE, CALM._replace(elections=1, moves=2), "holds a valid grant"),
    "in_doubt": (VSPHERE, CALM._replace(doubts=1, moves=2), "holds a valid grant"),
    "stayed": (VSPHERE, CALM._replace(blinds=1, elections=1, moves=2), "while another VM has the disk"),
    "leaving": (VSPHERE, CALM._replace(drains=1), "stays on the drained node"),
    "uncertain": (VSPHERE, CALM._replace(strays=1), "never comes to rest"),
    "on_many": (VSPHERE, CALM._replace(hands=1), "is granted the volume while another VM has the disk"),
    "has_disk": (VSPHERE, CALM, "a disk is made anew"),
    "on_target": (VSPHERE, CALM, "waits for ever"),
    "outdated": (VSPHERE, CALM._replace(replaces=1, restarts=1), "two containers of one slot"),
    "strangers": (VSPHERE, CALM._replace(moves=0, joins=1, replaces=1), "two containers of one slot"),
}  # fmt: skip
SLOW = {"boot_agreed", "confirmed_boot"}  # up to 150,000 states until their stories
LONG = {"known_there", "stayed"}  # as long as all others, until there is nothing to find
QUICK = sorted(set(NEEDED) - SLOW)
SCENES = {NEEDED[rule][:2]: rule for rule in QUICK}  # some rules share one
LARGE = os.environ.get("REBERTH_SEARCH") == "large"
Say = Callable[[str], None]


def test_no_rule_is_without_a_story() -> None:
    """A new rule needs a line above: what goes wrong without it."""
    assert set(NEEDED) == set(NAMES)


@pytest.mark.parametrize("rule", NEEDED if LARGE else QUICK)
def test_without_this_rule_something_goes_wrong(say: Say, rule: str) -> None:
    """The search finds the shortest story in which the planner without this rule breaks a law."""
    storage, budget, wrong = NEEDED[rule]
    lasting = Liveness() if any(each in wrong for each in ("waits", "stays", "never comes")) else content

    found = search(storage, budget, without(rule), lasting=lasting)
    say(f"{found.length:>8} events until a law is broken without the rule {rule!r}")

    assert found.story is not None
    assert wrong in found.story


def test_without_the_rule_that_unknown_is_not_off_swarm_would_be_told_of_nodes_that_live(say: Say) -> None:
    budget = CALM._replace(hides=1, telling=1)
    found = search(VSPHERE, budget, without("seen_off"))
    say(f"{found.length:>8} events until a living node is labelled without the rule 'seen_off'")

    assert found.story is not None
    assert "is dead, but VM" in found.story
    assert search(VSPHERE, budget).story is None


@pytest.mark.parametrize("rule", [rule for rule in SCENES.values() if LARGE or rule not in LONG])
def test_with_all_rules_the_same_events_do_no_harm(rule: str) -> None:
    """It is the rule, not the scene, that goes wrong: with all rules the same search finds nothing."""
    storage, budget, _ = NEEDED[rule]

    found = search(storage, budget)

    assert found.story is None, found.story
