"""
Every order of events of small clusters, against the real planner: no law is broken, and nobody waits for ever.

The small size runs always; ``REBERTH_SEARCH=large`` adds the large one, and of the small one what is long and most that
the lab's storage gives. The number of states of each search is printed at the end of the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import active_children, get_context

import pytest

from controller.model import FencePolicy, Policy
from tests.sim.deadline import ending
from tests.sim.liveness import Liveness
from tests.sim.search import Found, search
from tests.sim.state import GHOST, INVENTORY, LAB, LENT, LENT_LAB, SNAPPED, VSPHERE, Budget, Storage

MOST_SECONDS = 600.0  # of the processor, for one search: what every other test has by the clock
LARGE = os.environ.get("REBERTH_SEARCH") == "large"
CALM = Budget(elections=0, doubts=0, crashes=0, boots=0, cuts=0, moves=1)
REMOVED = CALM._replace(moves=2, removals=1)  # once nobody wants it; then a task does again
MOVED = CALM._replace(strays=1)
LAGGING = CALM._replace(cuts=1, lags=1)

SMALL = {
    "a leader changes while a call is in doubt": CALM._replace(elections=1, doubts=1),
    "a VM dies and comes back": CALM._replace(crashes=1, boots=1),
    "a node is cut off and mended": CALM._replace(cuts=1, moves=2),
    "a node comes back before Swarm says so": LAGGING,
    "a node is cut off, its host is hidden": CALM._replace(cuts=1, hides=1),
    "a person says that a dead VM is dead": CALM._replace(crashes=1, boots=1, hides=1, words=1),
    "a person works on the storage by hand": CALM._replace(hands=1),
    "the storage loses sight of a disk that is used": CALM._replace(mislays=1, moves=2),
    "the storage loses sight of a disk, a leader changes": CALM._replace(mislays=1, elections=1),
    "the storage moves a disk to another file under its VM": MOVED._replace(moves=2),
    "the storage moves a disk under its VM, a leader changes": MOVED._replace(elections=1),
    "the storage moves a disk under its VM, which dies and comes back": MOVED._replace(crashes=1, boots=1),
    "the storage moves a disk under its VM, a node is cut off": MOVED._replace(cuts=1),
    "the storage cannot be read while a task is replaced": CALM._replace(blinds=1, replaces=1, restarts=1),
    "a node is drained, and given back": CALM._replace(drains=1),
    "a VM is saved with its memory, and resumed": CALM._replace(saves=1),
    "a person pauses Reberth, a VM dies and comes back": CALM._replace(pauses=1, crashes=1, boots=1),
    "a person pauses Reberth, a leader changes": CALM._replace(pauses=1, elections=1),
    "a person pauses a volume or a node, a VM dies": CALM._replace(rests=1, crashes=1),
    "the task moves to and fro": CALM._replace(moves=3, doubts=1),
    "two tasks share the volume and move": CALM._replace(joins=1, moves=2),
    "two tasks share the volume, their containers end and begin again": CALM._replace(joins=1, restarts=1),
    "a task ends and begins again while a leader changes": CALM._replace(restarts=1, elections=1),
    "a task that was seen running ends, a VM dies and comes back": CALM._replace(runs=1, crashes=1, boots=1),
    "tasks that were seen running end, a leader changes": CALM._replace(runs=2, elections=1),
    "a task is replaced while its container runs": CALM._replace(replaces=2),
    "a task is replaced while its container runs, and moves": CALM._replace(replaces=1, moves=2),
    "one of two tasks is replaced while its container runs": CALM._replace(moves=0, joins=1, replaces=1),
    "a task is replaced, a gate forgets whose mounts it has": CALM._replace(replaces=1, forgets=1),
    "a node joins the swarm again under another ID": CALM._replace(rejoins=1, moves=2),
    "a VM dies and comes back, Swarm is told by a label": CALM._replace(crashes=1, boots=1, telling=1),
    "Swarm is told by a label while a leader changes": CALM._replace(crashes=1, elections=1, telling=1),
    "a person labels nodes that live": CALM._replace(telling=1, stickers=2),
    "the detector is wrong at any time": CALM._replace(misses=1, telling=1),
    "the detector is wrong at any time, a node is cut off": CALM._replace(misses=1, cuts=1, telling=1),
    "the detector is wrong at any time, a leader changes": CALM._replace(misses=1, elections=1),
    "a labelled VM, its host is hidden": CALM._replace(crashes=1, hides=1, telling=1),
    "a volume is removed while a leader changes": REMOVED._replace(elections=1),
    "a volume is removed and made anew, a call in doubt": REMOVED._replace(makes=1, doubts=1),
}
WIDE = {
    "Swarm is restored from a backup, a node is cut off": (2, CALM._replace(moves=2, cuts=1, backups=1)),
    "Swarm is restored from a backup, a VM dies and comes back": (
        2,
        CALM._replace(moves=2, crashes=1, boots=1, backups=1),
    ),
    "the storage cannot be read, two leaders, a call in doubt": (
        2,
        CALM._replace(blinds=1, elections=1, doubts=1, moves=2),
    ),
    "a disk is moved under its VM, a cut node, a call in doubt": (2, MOVED._replace(cuts=1, doubts=1)),
    "a disk is moved under its VM, which dies, two leaders": (2, MOVED._replace(crashes=1, boots=1, elections=1)),
    "a node is drained, a VM dies and comes back": (2, CALM._replace(drains=1, crashes=1, boots=1)),
    "a node is drained, a node is cut off": (2, CALM._replace(drains=1, cuts=1)),
    "a node is drained while a leader changes": (2, CALM._replace(drains=1, elections=1)),
    "a VM is saved while a leader changes": (2, CALM._replace(saves=1, elections=1)),
    "a VM is saved, a node is cut off": (2, CALM._replace(saves=1, cuts=1)),
    "four tasks, two leaders, a call in doubt": (2, CALM._replace(elections=1, doubts=1, moves=3)),
    "a leader changes while a VM dies and comes back": (2, CALM._replace(elections=1, crashes=1, boots=1)),
    "a dead VM, a cut node, a call in doubt": (2, CALM._replace(doubts=1, crashes=1, boots=1, cuts=1)),
    "a leader changes while a node is cut off": (2, CALM._replace(elections=1, cuts=1, moves=2)),
    "a dead VM, a cut node, a hidden host, a person": (2, CALM._replace(crashes=1, boots=1, cuts=1, hides=1, words=1)),
    "a person's hand, a cut node, a call in doubt": (2, CALM._replace(cuts=1, doubts=1, hands=1)),
    "two of three VMs die": (3, CALM._replace(crashes=2, moves=2)),
    "two tasks share it, a VM dies and comes back": (2, CALM._replace(joins=1, crashes=1, boots=1)),
    "two tasks share it, two leaders, a call in doubt": (2, CALM._replace(joins=1, elections=1, doubts=1)),
    "a task ends again and again, its VM dies": (2, CALM._replace(restarts=2, crashes=1, boots=1)),
    "tasks are seen running and end, a cut node, a call in doubt": (2, CALM._replace(runs=2, cuts=1, doubts=1)),
    "two tasks are seen running and end, a dead VM": (2, CALM._replace(joins=1, runs=2, crashes=1, boots=1)),
    "removed, a dead VM, a cut node": (2, REMOVED._replace(crashes=1, cuts=1)),
    "removed and made anew, two leaders, a call in doubt": (2, REMOVED._replace(makes=1, doubts=1, elections=1)),
    "removed and made anew, a cut node": (2, REMOVED._replace(makes=1, cuts=1)),
    "labels, a dead VM comes back, a person": (2, CALM._replace(crashes=1, boots=1, telling=1, stickers=1)),
    "the detector is wrong, a fenced VM comes back": (2, CALM._replace(misses=1, boots=1, telling=1)),
    "the detector is wrong, two leaders, a call in doubt": (2, CALM._replace(misses=1, elections=1, doubts=1)),
    "labels, two leaders, a call in doubt": (2, CALM._replace(crashes=1, elections=1, doubts=1, telling=1)),
    "a node joins again, a leader changes": (2, CALM._replace(rejoins=1, elections=1)),
    "a node joins again, a VM dies and comes back": (2, CALM._replace(rejoins=1, crashes=1, boots=1)),
}
ALIKE = {  # the lab's storage gives the same, or little else
    "a leader changes while a call is in doubt",
    "a person pauses Reberth, a VM dies and comes back",
    "a person pauses a volume or a node, a VM dies",
    "the storage cannot be read while a task is replaced",
    "the storage cannot be read, two leaders, a call in doubt",
    "the storage moves a disk to another file under its VM",
    "the storage moves a disk under its VM, a leader changes",
    "a node is drained, and given back",
    "a node is drained, a VM dies and comes back",
    "a node is drained while a leader changes",
    "a person pauses Reberth, a leader changes",
    "the task moves to and fro",
    "the storage loses sight of a disk that is used",
    "the storage loses sight of a disk, a leader changes",
    "two tasks share the volume and move",
    "two tasks share the volume, their containers end and begin again",
    "a task ends and begins again while a leader changes",
    "tasks that were seen running end, a leader changes",
    "Swarm is told by a label while a leader changes",
    "a person labels nodes that live",
    "a labelled VM, its host is hidden",
    "the detector is wrong at any time, a leader changes",
    "the detector is wrong, two leaders, a call in doubt",
    "labels, two leaders, a call in doubt",
    "a volume is removed while a leader changes",
    "a volume is removed and made anew, a call in doubt",
    "four tasks, two leaders, a call in doubt",
    "a dead VM, a cut node, a hidden host, a person",
    "two of three VMs die",
    "removed and made anew, two leaders, a call in doubt",
    "two tasks share it, two leaders, a call in doubt",
}
COPIED = [  # those in which the volume is wanted by nobody for a while
    (LENT, "the task moves to and fro"),
    (LENT, "a task ends and begins again while a leader changes"),
    (LENT_LAB, "a VM dies and comes back"),
    (SNAPPED, "a VM dies and comes back"),
    (LENT_LAB, "a node is cut off and mended"),
]
LONG = {  # with the large size only: together as long as all others
    "a labelled VM, its host is hidden",
    "the detector is wrong at any time, a node is cut off",
    "the detector is wrong at any time, a leader changes",
    "a person says that a dead VM is dead",
    "two tasks share the volume, their containers end and begin again",
    "a task ends and begins again while a leader changes",
    "Swarm is told by a label while a leader changes",
    "a grant does not say which earlier ones are void",
    "a disk is deleted while it is attached",
}
QUICK_LAB = {  # of the lab's: where its storage differs most from vSphere's
    "a VM dies and comes back",
    "a node is cut off and mended",
    "a node comes back before Swarm says so",
    "a node is cut off, its host is hidden",
}
SCENES_SMALL = [(VSPHERE, name) for name in SMALL if LARGE or name not in LONG]
SCENES_SMALL += [(LAB, name) for name in SMALL if name not in ALIKE and (LARGE or name in QUICK_LAB)]
SCENES_SMALL += COPIED if LARGE else COPIED[2:4]
SCENES = [(VSPHERE, name) for name in WIDE] + [(LAB, name) for name in WIDE if name not in ALIKE]
Say = Callable[[str], None]


Searches = dict[tuple[Storage, str], Future[Found]]


@pytest.fixture(scope="module")
def searches(request: pytest.FixtureRequest) -> Iterator[Searches]:
    """The large scenes that were asked for, two at a time: each keeps one core busy for half a minute."""
    asked = [getattr(item, "callspec", None) for item in request.session.items if "searches" in _fixtures(item)]
    keys = [(each.params["storage"], each.params["name"]) for each in asked if each is not None]
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        yield {key: pool.submit(wide, *key) for key in keys}
        pool.shutdown(wait=False, cancel_futures=True)
        for each in active_children():  # where we are interrupted, nobody waits for minutes
            each.terminate()


def _fixtures(item: pytest.Item) -> list[str]:
    return list(item.fixturenames) if isinstance(item, pytest.Function) else []


def wide(storage: Storage, name: str) -> Found:
    vms, budget = WIDE[name]
    with ending(MOST_SECONDS):
        return search(storage, budget, vms=vms, lasting=Liveness())


def run(say: Say, storage: Storage, name: str, budget: Budget, policy: Policy | None = None) -> None:
    found = search(storage, budget, policy=policy, lasting=Liveness())
    say(f"{found.states:>8} states: {name} ({storage.name}, 2 VMs)")

    assert found.story is None, found.story


@pytest.mark.parametrize("fence", [FencePolicy.POWER_OFF, FencePolicy.HOLD], ids=lambda policy: str(policy.value))
def test_no_order_of_events_breaks_a_law_under_another_fence_policy(say: Say, fence: FencePolicy) -> None:
    """Where nothing is forced the volume may be held, by an alarm that is true; where a VM is powered off, it moves."""
    policy = Policy(fence=fence, grace=0.0, max_down_fraction=1.0, capabilities=VSPHERE.capabilities)
    name = f"a VM dies, a node is cut off, policy {fence.value}"
    run(say, VSPHERE, name, CALM._replace(cuts=1, crashes=1), policy=policy)
    run(say, VSPHERE, f"a node comes back before Swarm says so, policy {fence.value}", LAGGING, policy=policy)


@pytest.mark.parametrize("fence", [FencePolicy.DETACH, FencePolicy.HOLD], ids=lambda policy: str(policy.value))
def test_where_no_power_off_was_chosen_our_own_detector_forces_nothing(say: Say, fence: FencePolicy) -> None:
    """Also on a storage on which `detach` would end in a power-off."""
    for storage in (VSPHERE, LAB):
        policy = Policy(fence=fence, grace=0.0, max_down_fraction=1.0, capabilities=storage.capabilities)
        run(say, storage, f"the detector is wrong, policy {fence.value}", CALM._replace(misses=1), policy=policy)


@pytest.mark.parametrize(
    "fence", [FencePolicy.DETACH, *([FencePolicy.POWER_OFF] if LARGE else [])], ids=lambda policy: str(policy.value)
)
def test_in_a_storm_nothing_is_forced_and_what_must_wait_is_held_by_an_alarm(say: Say, fence: FencePolicy) -> None:
    """More nodes are down than the policy allows: we are the likelier culprit. A VM that is seen off is explained."""
    policy = Policy(fence=fence, grace=0.0, max_down_fraction=0.4, capabilities=VSPHERE.capabilities)
    budget = CALM._replace(cuts=1, crashes=1, boots=int(LARGE))
    run(say, VSPHERE, f"a node is cut off in a storm, policy {fence.value}", budget, policy=policy)


@pytest.mark.parametrize("storage", [VSPHERE, LAB], ids=lambda each: each.name)
def test_a_gate_that_lies_loses_its_own_disk_at_most(say: Say, storage: Storage) -> None:
    """It says that it has let go what its containers write to. No second VM ever writes beside it."""
    name, budget = "a gate lies", CALM._replace(lies=1, moves=2)
    if LARGE:
        name, budget = f"{name}, a VM dies and comes back", budget._replace(crashes=1, boots=1)
    found = search(storage, budget)
    say(f"{found.states:>8} states: {name} ({storage.name}, 2 VMs)")

    assert found.story is None, found.story


def test_a_vm_that_left_the_inventory_is_not_proven_to_have_lost_its_disk(say: Say) -> None:
    """A list without the VM looks like a list without the attachment; only the power state tells them apart."""
    name = "a node is cut off, its host is hidden"
    found = search(INVENTORY, SMALL[name])
    say(f"{found.states:>8} states: {name} ({INVENTORY.name}, 2 VMs)")

    assert found.story is None, found.story


@pytest.mark.parametrize(("storage", "name"), SCENES_SMALL, ids=lambda x: x if isinstance(x, str) else x.name)
def test_no_order_of_events_breaks_a_law(say: Say, storage: Storage, name: str) -> None:
    """However these events interleave, one VM writes, nothing live is torn, and whoever waits is served."""
    run(say, storage, name, SMALL[name])


@pytest.mark.timeout(0)  # it waits for its turn too; the search itself has an end: see `ending`
@pytest.mark.skipif(not LARGE, reason="the large size is asked for with REBERTH_SEARCH=large")
@pytest.mark.parametrize(("storage", "name"), SCENES, ids=lambda x: x if isinstance(x, str) else x.name)
def test_no_order_of_more_events_breaks_a_law(say: Say, searches: Searches, storage: Storage, name: str) -> None:
    """The same with more faults at once: some hundred thousand states each."""
    found = searches[storage, name].result()
    say(f"{found.states:>8} states: {name} ({storage.name}, {WIDE[name][0]} VMs)")

    assert found.story is None, found.story


GUARDS = {
    "attach is not exclusive": (replace(VSPHERE, exclusive=False), CALM._replace(elections=1, moves=2)),
    "no epoch is kept": (replace(VSPHERE, epochs=False), CALM._replace(elections=1, moves=2)),
    "a detach is said to end writes and does not": (replace(GHOST, promised=True), CALM._replace(cuts=1)),
    "a detach neither ends writes nor is refused, and a gate lies": (GHOST, CALM._replace(lies=1)),
    "a saved VM counts as off": (replace(VSPHERE, tells_saved=False), CALM._replace(saves=1)),
    "a disk is deleted while it is attached": (replace(VSPHERE, keeps=False), REMOVED._replace(elections=1, moves=3)),
    "a moved disk is in no list": (replace(VSPHERE, lists_strays=False, refuses_strays=False), MOVED),
    "a moved disk is not refused": (replace(VSPHERE, refuses_strays=False), MOVED),
    "a grant does not say which earlier ones are void": (
        replace(VSPHERE, voids=False),
        CALM._replace(cuts=1, moves=3),
    ),
    "a new volume's disk bears the old one's name": (
        replace(VSPHERE, renames=False),
        REMOVED._replace(makes=1, doubts=1),
    ),
}


@pytest.mark.parametrize("name", [name for name in GUARDS if LARGE or name not in LONG])
def test_each_promise_of_the_storage_is_needed(say: Say, name: str) -> None:
    """A storage that breaks one promise of its driver breaks a law, whatever the planner does."""
    storage, budget = GUARDS[name]
    found = search(storage, budget)
    say(f"{found.length:>8} events until a law is broken: {name}")

    assert found.story is not None
