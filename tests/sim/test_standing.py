"""Decisions that stand are those that would be made anew, in Worlds that the search meets, however they follow."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest

from controller.model import (
    Attachment,
    BootId,
    Claim,
    DiskId,
    Node,
    NodeId,
    NodeState,
    Policy,
    Serial,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    World,
)
from controller.planner.context import Facts, WorldIndex, facts, index_world
from controller.planner.plan import RestsOn
from controller.planner.rules import RULES
from tests.sim.beside import Beside
from tests.sim.eyes import COPY, DISK, NAME, Seen, decisions, world
from tests.sim.search import search
from tests.sim.state import LENT, VSPHERE, Budget, Storage

LARGE = os.environ.get("REBERTH_SEARCH") == "large"
CALM = Budget(elections=0, doubts=0, crashes=0, boots=0, cuts=0, moves=1)
STORIES: tuple[tuple[Storage, Budget], ...] = (
    (VSPHERE, CALM._replace(joins=1, moves=2)),
    (VSPHERE, CALM._replace(crashes=1, boots=1)),
    (VSPHERE, CALM._replace(elections=1, drains=1)),
    (LENT, CALM),
)
NEW = Node(NodeId("n9-1"), "swarm09", NodeState.READY, vm=VmId("vm9"), boot=BootId("b9"))
BESIDE: dict[str, tuple[object, ...]] = {  # what the search's Worlds do not have
    "running": ({TaskId(f"t{n}"): 1000.0 for n in range(9)},),
    "unclaimed": ({VmId("vm0"): 1000.0, VmId("vm1"): 1000.0},),
    "awaited": ({VmId("vm0"): 1.0, VmId("vm1"): 1.0},),
    "unlisted": (("a machine could not be read",),),
    "odd": ({DISK: "it is odd"},),
    "kept": ({NAME: 60.0},),
    "refused": ({NodeId("n0-1"): "it is refused", NodeId("n1-1"): "it is refused"},),
    "unreadable": ({VolumeKey("data"): "it cannot be read"},),
    "departed": ((NodeId("n9-1"),),),
    "unread": (("something could not be read",),),
    "attachments": ((), tuple(Attachment(DiskId(f"d{n}"), VmId(f"vm{n % 2}")) for n in range(20))),
}


@cache
def policy_of(story: int) -> Policy:
    """Each story has one of its own, so that the table of its Worlds is not that of others."""
    return Policy(grace=0.1 * (story + 1), max_down_fraction=1.0, capabilities=STORIES[story][0].capabilities)


@cache
def met(story: int, most: int = 150 if LARGE else 24) -> tuple[World, ...]:
    """
    Worlds of a story: where decisions stand, and some others. Also what is rare in a story: a claim for a node that is
    not there yet, and grants that were taken back from a container that goes on.
    """
    storage, budget = STORIES[story]
    policy = policy_of(story)
    search(storage, budget, policy=policy)
    seen: list[Seen] = sorted(decisions(policy, RULES), key=repr)
    random.Random(story).shuffle(seen)
    worlds = [world(each) for each in seen[: 20 * most]]
    standing = [each for each in worlds if stands(each, policy)][:most]
    early = [replace(each, claims={NAME: Claim(NAME, NEW.id, ())}) for each in standing if not each.claims]
    late = [each for each in map(_taken_back, standing) if stands(each, policy)]
    return (*standing, *early[: most // 4], *late[: most // 4], *worlds[: most // 4])


def _taken_back(w: World) -> World:
    volumes = w.volumes or {}
    return replace(w, volumes={name: replace(each, serial=Serial(each.serial + 5)) for name, each in volumes.items()})


def stands(w: World, policy: Policy) -> bool:
    beside = Beside()
    beside(index_world(w, policy, RULES), {})
    return beside.stood > 0


def followers(w: World, others: tuple[World, ...]) -> Iterator[World]:
    """The same World with one part of another one, or with one thing in it that is another."""
    for field in fields(World):
        mine = getattr(w, field.name)
        values = [getattr(each, field.name) for each in others]
        for value in [*values, *BESIDE.get(field.name, ())]:
            if value != mine:
                yield _with(w, field.name, value)
    nodes = w.nodes or {}
    yield from (replace(w, nodes={key: node for key, node in nodes.items() if key != gone}) for gone in nodes)
    yield from (replace(w, nodes={**nodes, NEW.id: replace(NEW, vm=vm)}) for vm in (NEW.vm, VmId("vm0"), VmId("vm1")))
    for view in w.gates.values():
        for change in (replace(view, age=1e9), replace(view, boot=BootId("b9")), replace(view, node=NEW.id)):
            yield replace(w, gates={**w.gates, view.vm: change})
    if w.volumes and NAME in w.volumes:
        yield replace(w, volumes={NAME: w.volumes[NAME]})
        yield replace(w, volumes={**w.volumes, COPY.name: COPY})


def _with(w: World, name: str, value: object) -> World:
    change: Any = {name: value}
    return replace(w, **change)


def compare(story: int, beside: Beside, rng: random.Random) -> None:
    """Each World, then it with one part changed: a decision stands only where nothing that it rests on has changed."""
    worlds, policy = met(story), policy_of(story)
    for w in worlds:
        for after in followers(w, tuple(rng.sample(worlds, 2))):
            last = beside(index_world(w, policy, RULES), {})
            beside(index_world(after, policy, RULES), {each.volume: each for each in last})
            if beside.differences:
                return


def _differences(story: int, rests_on: RestsOn) -> list[str]:
    beside = Beside(rests_on)
    compare(story, beside, random.Random(story))
    return beside.differences


@pytest.mark.parametrize("story", range(len(STORIES)))
def test_a_decision_that_stands_is_what_would_be_decided_anew(story: int) -> None:
    """Whatever part of the World changes between two looks, and it rests on nothing but its facts."""
    beside = Beside()

    compare(story, beside, random.Random(story))

    assert beside.differences == []
    assert beside.stood > 100


def without(number: int) -> RestsOn:
    def left_out(index: WorldIndex, name: VolumeName) -> Facts | None:
        found = facts(index, name)
        return None if found is None else found[:number] + found[number + 1 :]

    return left_out


FACTS = (
    "epoch",
    "policy",
    "record",
    "claim",
    "target",
    "copier",
    "where",
    "node",
    "off",
    "shared",
    "boot",
    "word",
    "fresh",
)
NEEDED = [each for each in FACTS if each != "policy"]  # no question on the way asks for it: a fact all the same


@pytest.mark.parametrize("fact", NEEDED)
def test_without_one_of_its_facts_a_decision_stands_that_is_none_any_more(fact: str) -> None:
    found = (_differences(story, without(FACTS.index(fact))) for story in range(len(STORIES)))

    assert any(found)
