"""
One container a slot: Swarm starts a task's successor a minute after it asked the old container to stop, ended or not.

The long form, as issue trackers ask for it, is the same with other numbers:

    OVERLAP_UPDATES=20 OVERLAP_GRACE=300 .venv/bin/python -m pytest tests/drills/test_overlap.py --timeout 0
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from tests.drills.tiny import Tiny, Village

UPDATES = int(os.environ.get("OVERLAP_UPDATES", "2"))
GRACE = float(os.environ.get("OVERLAP_GRACE", "75"))  # Swarm's own patience is 60 s
SERVICES = int(os.environ.get("OVERLAP_SERVICES", "1"))  # of each kind, at the same time
MANAGER, WORKER = "swarm01", "swarm02"

pytestmark = pytest.mark.timeout(600 + UPDATES * (GRACE + 60))

# Ignores what asks it to end, and writes its own name all the time.
WRITER = "trap '' TERM INT; me=$(cat /etc/hostname); while :; do echo $me >>/data/rows; sleep 0.1; done"


def writer(name: str, node: str) -> Tiny:
    return Tiny(name, name, node=node, command=("sh", "-c", WRITER), grace=GRACE)


def turns(rows: Sequence[str]) -> list[str]:
    """Who wrote, in turn; somebody who comes twice wrote beside another."""
    return [rows[0], *(now for before, now in pairwise(rows) if now != before)]


def settled(village: Village, name: str, node: str) -> bool:
    """The one task that Swarm wants runs, and no earlier container is left."""
    containers = [village.running(each, name) for each in (MANAGER, WORKER)]
    states = village.states(name)
    return sum(map(len, containers)) == 1 and [*states.values()] == ["running"] and node in next(iter(states))


def renewed(village: Village, names: Sequence[str], node: str) -> None:
    for name in names:
        village.renew(name, node)
    end = time.monotonic() + GRACE + 120
    time.sleep(5)  # until Swarm has begun
    waiting = set(names)
    while waiting:
        assert time.monotonic() < end, {name: (village.states(name), village.errors(name)) for name in waiting}
        time.sleep(1)
        waiting = {name for name in waiting if not settled(village, name, node)}


def rows(village: Village, name: str, node: str) -> list[str]:
    container = village.running(node, name)[0]
    done = village.cli(node, "exec", container, "cat", "/data/rows")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("nodes", [(WORKER, WORKER), (WORKER, MANAGER)], ids=["one node", "two nodes"])
def test_container_that_will_not_end_never_writes_beside_its_successor(
    village: Village, nodes: tuple[str, str]
) -> None:
    """Rolling updates of a service that ignores SIGTERM and writes all the time, with a long stop_grace_period."""
    names = [f"stubborn{number}{len(set(nodes))}" for number in range(SERVICES)]
    for name in names:
        village.make(writer(name, nodes[0]))
    village.runs(*names)
    for count in range(1, UPDATES + 1):
        renewed(village, names, nodes[count % 2])

    for name in names:
        wrote = turns(rows(village, name, nodes[UPDATES % 2]))
        assert (len(wrote), len(set(wrote))) == (UPDATES + 1, UPDATES + 1), wrote
