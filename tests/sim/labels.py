"""
The label by which controllers tell Swarm that a node is dead, in scenes that have it; a person may put it anywhere.

What a late leader writes is in it, too: it puts a label on whatever node there is, as a person does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from controller.model import Policy
from controller.planner.context import index_world
from controller.planner.node_labels import LabelChange, label_changes
from controller.planner.rules import Rules
from tests.sim.change import Broken, next_task
from tests.sim.eyes import Seen, see, world
from tests.sim.faults import Event
from tests.sim.state import State

if TYPE_CHECKING:
    from tests.sim.cluster import Cluster


def labels(cluster: Cluster, s: State) -> Iterator[Event]:
    """Every change of a label that may happen next. Raises Broken where one is wrong."""
    b = s.budget
    if b.stickers:
        spent = s._replace(budget=b._replace(stickers=b.stickers - 1))
        for i in range(len(s.vms)):
            if i not in s.labels:
                yield "stick", i, enforced(spent, i)
    for i, leader in enumerate(s.leaders):
        if leader.epoch:
            yield from told(cluster, s, i)


def told(cluster: Cluster, s: State, leader: int) -> Iterator[Event]:
    """What this controller tells Swarm."""
    if not s.budget.telling:
        return
    for change in _changes(see(s, leader, cluster.storage), cluster.policy, cluster.rules):
        i = _number(change)
        if change.put and s.vms[i].on:
            raise Broken(f"Swarm is told that node {i} is dead, but VM {i} runs")
        # One that goes from a dead node which nobody sees does no harm: Swarm then goes by its heartbeats again.
        if not change.put and not s.vms[i].on and not s.vms[i].hidden:
            raise Broken(f"Swarm is told that node {i} lives, but VM {i} is off")
        yield ("label", i, enforced(s, i)) if change.put else ("unlabel", i, s._replace(labels=s.labels - {i}))


@cache
def _changes(seen: Seen, policy: Policy, rules: Rules) -> tuple[LabelChange, ...]:
    """Many states look the same to a controller: each look is judged once."""
    return tuple(label_changes(index_world(world(seen), policy, rules)))


def enforced(s: State, i: int) -> State:
    """Swarm's constraint enforcer wants the task on another node at once, if there is one that it takes for ready."""
    s = s._replace(labels=s.labels | {i})
    others = [j for j, vm in enumerate(s.vms) if not vm.down and j not in s.labels]
    if s.claim != i or not others:
        return s
    return s._replace(claim=others[0], tasks=(next_task(s),), task=s.task + 1)


def left_behind(s: State) -> str | None:
    """Asked when all is quiet: which living node still bears a label."""
    wrong = [i for i in s.labels if s.vms[i].on and not s.vms[i].cut and not s.vms[i].hidden]
    return f"all is quiet, but node {wrong[0]} lives and still bears the label" if wrong else None


def _number(change: LabelChange) -> int:
    return int(change.node.removeprefix("n").partition("-")[0])
