"""Each rule of the planner is needed: without it the search finds a story that goes wrong. Its length is printed."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from controller.case import ALL_RULES, Rule
from tests.sim.liveness import Liveness
from tests.sim.search import content, search
from tests.sim.state import GHOST, INVENTORY, VSPHERE, Budget, Storage

CALM = Budget(elections=0, doubts=0, crashes=0, boots=0, cuts=0, moves=1)

NEEDED: dict[Rule, tuple[Storage, Budget, str]] = {
    Rule.EVIDENCE: (VSPHERE, CALM._replace(cuts=1), "as proven free, but it writes"),
    Rule.REVOKE_FIRST: (VSPHERE, CALM._replace(cuts=1), "holds a valid grant"),
    Rule.SERIAL: (VSPHERE, CALM._replace(moves=3), "as proven free, but it writes"),
    Rule.AGREED_BOOT: (VSPHERE, CALM._replace(elections=2, crashes=1, boots=1), "as proven free, but it writes"),
    Rule.POWER_OFF_SEEN: (VSPHERE, CALM._replace(cuts=1, hides=1), "as proven free, but it writes"),
    Rule.CONFIRMED_BOOT: (
        VSPHERE, CALM._replace(crashes=1, boots=1, cuts=1, words=1), "as proven free, but it writes"
    ),
    Rule.VM_SEEN: (INVENTORY, CALM._replace(cuts=1, hides=1), "as proven free, but it writes"),
    Rule.CUTS_IO: (GHOST, CALM._replace(hands=1), "VMs [0, 1] write at once"),
    Rule.NO_FOREIGN_GRANT: (VSPHERE, CALM._replace(cuts=1), "holds a valid grant"),
    Rule.DEPOSED: (VSPHERE, CALM._replace(elections=1, moves=2), "holds a valid grant"),
    Rule.STAMP: (VSPHERE, CALM._replace(elections=1, moves=2), "holds a valid grant"),
    Rule.NEW_EPOCH: (VSPHERE, CALM._replace(doubts=1, moves=2), "holds a valid grant"),
    Rule.ONE_VM: (VSPHERE, CALM._replace(hands=1), "is granted the volume while another VM has the disk"),
    Rule.FORMAT_ONCE: (VSPHERE, CALM, "a disk is made anew"),
    Rule.DISK_ON_TARGET: (VSPHERE, CALM, "waits for ever"),
}  # fmt: skip
SLOW = {Rule.AGREED_BOOT, Rule.CONFIRMED_BOOT}  # up to 150,000 states until their stories
QUICK = sorted(set(NEEDED) - SLOW, key=lambda rule: rule.name)
LARGE = os.environ.get("REBERTH_SEARCH") == "large"
Say = Callable[[str], None]


def named(rule: Rule) -> str:
    return rule.name.lower()


def test_no_rule_is_without_a_story() -> None:
    """A new rule needs a line above: what goes wrong without it."""
    assert set(NEEDED) == set(Rule)


@pytest.mark.parametrize("rule", NEEDED if LARGE else QUICK, ids=named)
def test_without_this_rule_something_goes_wrong(say: Say, rule: Rule) -> None:
    """The search finds the shortest story in which the planner without this rule breaks a law."""
    storage, budget, wrong = NEEDED[rule]
    lasting = Liveness() if "waits" in wrong else content

    found = search(storage, budget, ALL_RULES - {rule}, lasting=lasting)
    say(f"{found.length:>8} events until a law is broken without {rule.name}: {rule.value}")

    assert found.story is not None
    assert wrong in found.story


@pytest.mark.parametrize("rule", QUICK, ids=named)
def test_with_all_rules_the_same_events_do_no_harm(rule: Rule) -> None:
    """It is the rule, not the scene, that goes wrong: with all rules the same search finds nothing."""
    storage, budget, _ = NEEDED[rule]

    found = search(storage, budget)

    assert found.story is None, found.story
