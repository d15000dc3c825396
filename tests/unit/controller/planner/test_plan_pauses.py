"""What a person has paused alone: nothing is done about it, and everything else goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import DiskId, MountState, NodeId, PausedPart, Phase, VolumeKey, VolumeName, World
from controller.planner.actions import Attach, Detach, Fence, GrantMount, Revoke, Wait
from controller.planner.placement import Placement
from controller.planner.plan import plan
from tests.support.plans import CLOSED, DOWN_LONG, MOVED, OFF, ON, RESTING, REVOKED, act, labels
from tests.support.worlds import POLICY, V, claim, gate, grant, node, on, record, vm, world

FIRST = PausedPart("its host is mended", node=NodeId("n1"), vm=vm(1), hostname="swarm01")
WORK = {
    "attached nowhere": (world(volume=record(), wanted=claim(2)), Attach),
    "no permission yet": (world(on(2), volume=record(), wanted=claim(2)), GrantMount),
    "an old permission": (world(on(1), volume=record(grant(1)), wanted=MOVED, gates=[gate(1)]), Revoke),
    "proven gone": (world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], power=OFF), Detach),
    "to be fenced": (world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], power=ON), Fence),
}


@pytest.mark.parametrize("part", [RESTING, CLOSED, replace(CLOSED, vm=None), replace(CLOSED, node=NodeId("old"))])
@pytest.mark.parametrize(("w", "step"), WORK.values(), ids=WORK.keys())
def test_whatever_would_be_done_about_a_paused_volume_or_for_a_paused_node_waits(
    w: World, step: type, part: PausedPart
) -> None:
    """The node is known by its ID, and by its VM where it joined again under another ID."""
    assert isinstance(act(w), step)
    assert isinstance(act(replace(w, paused_parts=(part,))), Wait)


@pytest.mark.parametrize("where", ["an old permission", "proven gone", "to be fenced"])
def test_nothing_is_taken_from_a_paused_node_either(where: str) -> None:
    assert isinstance(act(replace(WORK[where][0], paused_parts=(FIRST,))), Wait)


def test_a_disk_without_permission_stays_on_a_paused_node_too() -> None:
    w = world(on(1), volume=record(), wanted=MOVED, paused_parts=(FIRST,))
    (decision,) = plan(w, POLICY)
    assert decision.placement is Placement.PAUSED


def test_other_volumes_and_other_nodes_go_on() -> None:
    other = replace(record(), name=VolumeName("other"), key=VolumeKey("other"), disk=DiskId("disk-other"))
    wanted = {V: claim(2), other.name: replace(claim(1), volume=other.name)}
    w = replace(world(), volumes={V: record(), other.name: other}, claims=wanted)
    for part in (RESTING, CLOSED):
        found = {each.volume: type(each.action) for each in plan(replace(w, paused_parts=(part,)), POLICY)}
        assert found == {V: Wait, other.name: Attach}


def test_a_paused_volume_is_not_deleted_and_one_that_nobody_made_yet_says_so() -> None:
    doomed = world(volume=record(phase=Phase.DELETING), paused_parts=(RESTING,))
    assert isinstance(act(doomed), Wait)
    (unmade,) = plan(world(wanted=claim(1), paused_parts=(RESTING,)), POLICY)
    assert unmade.placement is Placement.PAUSED


def test_a_container_that_is_started_again_on_a_paused_node_waits_also_while_the_storage_is_away() -> None:
    granted = record(grant(2))
    w = world(volume=granted, wanted=claim(2, "t2"), attachments=None, gates=[gate(2, MountState.UNMOUNTED, 1)])
    assert isinstance(act(w), GrantMount)
    assert isinstance(act(replace(w, paused_parts=(CLOSED,))), Wait)


@pytest.mark.parametrize("part", [CLOSED, replace(CLOSED, node=NodeId("old"))])
def test_of_a_paused_node_swarm_is_told_nothing(part: PausedPart) -> None:
    dead = world(power={vm(2): OFF[vm(1)]}, gates=[])
    (change,) = labels(dead)
    assert change.node == NodeId("n2")
    assert labels(replace(dead, paused_parts=(part,))) == ()
    lives = world(nodes=[node(2, labelled=True)], power={vm(2): ON[vm(1)]})
    assert labels(lives) != ()
    assert labels(replace(lives, paused_parts=(part,))) == ()
