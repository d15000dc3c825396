"""
Breadth-first search over every order of events, against the real `plan`. The first broken law has the shortest story.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from controller.model import FencePolicy, Policy
from controller.planner.rules import RULES, Rules
from tests.sim.change import Broken
from tests.sim.cluster import Cluster
from tests.sim.faults import Event
from tests.sim.state import Budget, State, Storage, start
from tests.sim.story import tell

Parents = dict[State, tuple[State, str, int] | None]


@dataclass(frozen=True, slots=True)
class Found:
    """How many states there are, and the story of the first broken law (None: no law can be broken)."""

    states: int
    story: str | None
    length: int = 0


def content(_cluster: Cluster, _state: State) -> None:
    """Nothing is asked of a state but that no law is broken on the way to it."""


def usual(storage: Storage, budget: Budget) -> Policy:
    """A node that only our own detector misses is fenced by power-off alone."""
    fence = FencePolicy.POWER_OFF if budget.misses else FencePolicy.DETACH
    return Policy(fence=fence, grace=0.0, max_down_fraction=1.0, capabilities=storage.capabilities)


def search(
    storage: Storage,
    budget: Budget,
    rules: Rules = RULES,
    *,
    vms: int = 2,
    policy: Policy | None = None,
    lasting: Callable[[Cluster, State], str | None] = content,
    limit: int = 2_000_000,
) -> Found:
    """Visit every reachable state once. ``lasting`` is asked of each state (liveness) and says what is wrong."""
    chosen = usual(storage, budget) if policy is None else policy
    cluster = Cluster(storage, chosen, rules)
    first = start(vms, budget)
    with _without_collector():
        return _visit(cluster, first, lasting, limit)


@contextmanager
def _without_collector() -> Iterator[None]:
    """States are tuples without cycles: the collector would look through millions of them for nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _visit(cluster: Cluster, first: State, lasting: Callable[[Cluster, State], str | None], limit: int) -> Found:
    parents: Parents = {first: None}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        try:
            wrong = lasting(cluster, state)
            if wrong is not None:
                return _found(cluster, parents, state, wrong)
            for what, who, after in cluster.events(state):
                way = (state, what, who)
                if parents.setdefault(after, way) is way:  # hashed once
                    queue.append(after)
        except Broken as broken:
            return _found(cluster, parents, state, str(broken))
        if len(parents) > limit:
            msg = f"more than {limit} states"
            raise RuntimeError(msg)
    return Found(len(parents), None)


def _found(cluster: Cluster, parents: Parents, state: State, wrong: str) -> Found:
    steps: list[Event] = []
    end = state
    while (parent := parents[state]) is not None:
        steps.append((parent[1], parent[2], state))
        state = parent[0]
    steps.reverse()
    return Found(len(parents), tell(cluster, steps, end, wrong), len(steps) + 1)
