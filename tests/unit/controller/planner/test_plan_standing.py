"""A decision stands while nothing that it rests on has changed; tests/sim/test_looks.py asks that of many Worlds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    BootId,
    Claim,
    Confirmation,
    Epoch,
    MountState,
    NodeId,
    NodeState,
    Phase,
    Policy,
    Power,
    Source,
    Spec,
    TaskId,
    VolumeName,
    World,
)
from controller.planner.actions import Alarm, Wait
from controller.planner.context import index_world
from controller.planner.placement import Placement
from controller.planner.plan import Decision, decide, plan
from controller.planner.rules import RULES, Rules
from tests.support.plans import CLOSED, OFF, RESTING
from tests.support.worlds import DISK, POLICY, V, claim, gate, grant, node, on, record, running, vm, world

MOUNTED = gate(1, MountState.MOUNTED, 1)
SETTLED = world(on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[MOUNTED], running={TaskId("t1"): 60.0})
STARTING = replace(SETTLED, claims={V: claim(1)})
IDLE = world(on(1), volume=record())
UNMOUNTED = replace(IDLE, gates={vm(1): gate(1, MountState.UNMOUNTED, 1)})
AWAY = world(volume=record())
DEAD = Confirmation(NodeId("n1"), vm(1), BootId("b9"), "it was taken away")


class Looks:
    """A loop of looks."""

    def __init__(self) -> None:
        self.last: dict[VolumeName, Decision] = {}


def look(looks: Looks, w: World, policy: Policy = POLICY, rules: Rules = RULES) -> Decision:
    made = decide(index_world(w, policy, rules), looks.last)
    looks.last = {each.volume: each for each in made}
    return next(each for each in made if each.volume == V)


def stands(before: World, after: World) -> bool:
    """Whether the decision of the first look is that of the second, which in any case is what would be planned."""
    looks = Looks()
    first, second = look(looks, before), look(looks, after)
    anew = next(each for each in plan(after, POLICY) if each.volume == V)
    assert (second.placement, second.action) == (anew.placement, anew.action)
    return second.action is first.action


@pytest.mark.parametrize(
    "w", [SETTLED, STARTING, IDLE, UNMOUNTED, AWAY], ids=["runs", "starts", "idle", "unmounted", "on no VM"]
)
def test_what_is_where_it_should_be_is_decided_once(w: World) -> None:
    assert stands(w, w)
    older = {each.vm: replace(each, age=each.age + 5.0) for each in w.gates.values()}
    others = {**(w.nodes or {}), NodeId("n2"): node(2, NodeState.DOWN)}
    assert stands(w, replace(w, gates=older, nodes=others, power={vm(2): Power.OFF}, running={}))


ANOTHER = {
    "record": replace(SETTLED, volumes={V: record(grant(1), grant(1, "t2", 2))}),
    "record is gone": replace(SETTLED, volumes={}),
    "claim": replace(SETTLED, claims={V: running(claim(1, "t2"))}),
    "claim is gone": replace(SETTLED, claims={}),
    "node": replace(SETTLED, nodes={**(SETTLED.nodes or {}), NodeId("n1"): node(1, hostname="another")}),
    "disk": replace(SETTLED, attachments=(on(2),)),
    "stamp": replace(SETTLED, attachments=(on(1, 99),)),
    "power": replace(SETTLED, power=OFF),
    "word": replace(SETTLED, gates={vm(1): gate(1, MountState.UNMOUNTED, 1)}),
    "no word": replace(SETTLED, gates={}),
    "pause of it": replace(SETTLED, paused_parts=(RESTING,)),
    "pause of another": replace(SETTLED, paused_parts=(CLOSED,)),
    "pause of all": replace(SETTLED, paused="the storage is moved"),
    "storage is away": replace(SETTLED, attachments=None),
    "record is unreadable": replace(SETTLED, unreadable={record().key: "it is no JSON"}),
}


def test_it_stands_in_each_look_that_follows_under_its_name() -> None:
    looks = Looks()
    made = [look(looks, SETTLED) for _ in range(4)]
    assert {(each.volume, id(each.action)) for each in made} == {(V, id(made[0].action))}


COPY = replace(
    record(), name=VolumeName("copy"), phase=Phase.CREATING, disk=None, spec=Spec(1, source=Source(V, DISK, "u", "u"))
)
EARLY = replace(IDLE, claims={V: Claim(V, NodeId("n9"), ())})
OF_IDLE = {
    "gate is not heard any more": (IDLE, replace(IDLE, gates={vm(1): gate(1, age=99.0)})),
    "node": (IDLE, replace(IDLE, nodes={**(IDLE.nodes or {}), NodeId("n1"): node(1, hostname="another")})),
    "it is to be copied": (IDLE, replace(IDLE, volumes={V: record(), COPY.name: COPY})),
    "the node of its claim joined": (EARLY, replace(EARLY, nodes={**(IDLE.nodes or {}), NodeId("n9"): node(9)})),
}


@pytest.mark.parametrize(("before", "after"), OF_IDLE.values(), ids=OF_IDLE.keys())
def test_what_changed_about_a_disk_for_nobody_is_decided_anew(before: World, after: World) -> None:
    assert not stands(before, after)


def test_while_a_person_has_paused_us_what_is_known_is_told_all_the_same() -> None:
    (told,) = plan(replace(SETTLED, paused="the storage is moved"), POLICY)
    assert told.context is not None
    assert told.context.entry == record(grant(1))


@pytest.mark.parametrize("after", ANOTHER.values(), ids=ANOTHER.keys())
def test_what_changed_is_decided_anew(after: World) -> None:
    assert not stands(SETTLED, after)


def test_what_the_list_may_hide_is_decided_anew_where_the_disk_is_in_it_nowhere() -> None:
    gaps = ("a machine cannot be read",)
    assert not stands(AWAY, replace(AWAY, unlisted=gaps))
    assert stands(IDLE, replace(IDLE, unlisted=gaps))


def test_nothing_stands_that_time_alone_can_change() -> None:
    """A task that runs, and whose gate says nothing, is astray after a while."""
    silent = replace(SETTLED, gates={vm(1): replace(gate(1), age=5.0)}, running={TaskId("t1"): 5.0})
    looks = Looks()
    assert look(looks, silent).placement is Placement.SETTLED
    assert isinstance(look(looks, replace(silent, running={TaskId("t1"): 60.0})).action, Alarm)


def test_a_wait_says_in_each_look_how_long_it_still_lasts() -> None:
    looks, moved = Looks(), replace(SETTLED, claims={V: claim(2, "t2")}, volumes={V: record(grant(1), serial=2)})
    for age, left in ((1.0, 9.0), (4.0, 6.0)):
        down = {**(SETTLED.nodes or {}), NodeId("n1"): node(1, NodeState.DOWN, down_for=age)}
        action = look(looks, replace(moved, nodes=down, gates={})).action
        assert isinstance(action, Wait)
        assert action.until == left


@pytest.mark.parametrize(
    "w",
    [
        replace(IDLE, gates={vm(1): replace(MOUNTED, boot=BootId("b9"))}),
        replace(IDLE, gates={vm(1): replace(MOUNTED, boot=BootId("b9"))}, confirmations=(DEAD,)),
        replace(IDLE, gates={vm(1): gate(1, age=99.0)}, volumes={V: record(place=vm(1))}),
        replace(IDLE, gates={}),
        replace(IDLE, nodes={NodeId("n1"): node(1, NodeState.DOWN)}),
    ],
    ids=[
        "mounted",
        "mounted in a boot that a person calls dead",
        "gate was not heard of late",
        "no gate",
        "node is down",
    ],
)
def test_a_disk_for_nobody_is_decided_in_each_look_where_it_may_be_in_use(w: World) -> None:
    assert not stands(w, w)


def test_nothing_stands_under_another_epoch_or_policy_or_with_other_rules() -> None:
    looks = Looks()
    first = look(looks, SETTLED)
    later = replace(SETTLED, epoch=Epoch(SETTLED.epoch + 1))
    second = look(looks, later)
    third = look(looks, later, replace(POLICY, grace=99.0))
    careless = replace(RULES, on_many=lambda ctx: len(ctx.disk_on) > 1)
    fourth = look(looks, later, replace(POLICY, grace=99.0), careless)
    fifth = look(looks, later, replace(POLICY, grace=99.0), careless)

    made = [each.action for each in (first, second, third, fourth, fifth)]
    assert len({id(each) for each in made}) == len(made)
    assert set(made[2:]) == {made[1]}


def test_what_stands_is_told_from_the_look_in_which_it_does() -> None:
    """People are told what is known now, not what was when it was decided."""
    looks = Looks()
    look(looks, SETTLED)
    again = look(looks, replace(SETTLED, paused=None, unread=("a sign",)))
    assert again.context is not None
    assert again.context.index.world.unread == ("a sign",)
