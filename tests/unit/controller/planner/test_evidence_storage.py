"""Fenced at the storage: the storage itself refuses a VM, whether anybody sees that VM or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import EvidenceKind, FencePolicy, MountState, NodeState, Policy, Power
from controller.planner.actions import Action, Alarm, Detach, DropGrants, Wait
from controller.planner.placement import Placement
from controller.planner.plan import Decision, plan
from tests.support.worlds import CUTS, POLICY, claim, gate, grant, node, on, record, world

CUTTING = replace(POLICY, capabilities=CUTS)
FENCING = replace(POLICY, capabilities=replace(CUTS, fences_at_storage=True))
DOWN = node(1, NodeState.DOWN, down_for=60.0)
SILENT = gate(1, age=41.0)
REVOKED = record(grant(1), serial=2)
MOVED = claim(2, "t2")
UNSEEN = dict[object, Power]()


def decided(*on_vms: int, policy: Policy = FENCING, **more: object) -> Decision:
    """The old holder's node is down, nobody knows whether its VM runs, and its gate is silent."""
    given = {"volume": REVOKED, "wanted": MOVED, "nodes": [DOWN], "gates": [SILENT], "power": UNSEEN} | more
    (found,) = plan(world(*map(on, on_vms), **given), policy)  # type: ignore[arg-type]
    return found


def act(*on_vms: int, policy: Policy = FENCING, **more: object) -> Action:
    return decided(*on_vms, policy=policy, **more).action


def test_a_vm_that_nobody_sees_is_fenced_at_the_storage_after_the_grace() -> None:
    found = decided(1)

    assert found.placement is Placement.HELD_RUNNING
    assert isinstance(found.action, Detach)
    assert found.action.evidence is None
    assert "its VM vm1 may still run, as far as anybody can see" in found.action.why


def test_within_the_grace_nothing_is_forced() -> None:
    assert isinstance(act(1, nodes=[node(1, NodeState.DOWN, down_for=1.0)]), Wait)


def test_what_the_storage_lists_no_more_is_evidence_although_nobody_sees_the_vm() -> None:
    found = act()

    assert isinstance(found, DropGrants)
    assert found.evidence.kind is EvidenceKind.DETACHED
    assert found.evidence.text == (
        "volume data: node swarm01 (VM vm1) is fenced at the storage, which lists the disk on no VM and refuses its "
        "writes"
    )


def test_a_detach_that_was_asked_for_is_no_evidence_before_the_list_shows_it() -> None:
    """Still listed: it is asked for again, and no grant is dropped."""
    assert not isinstance(act(1), DropGrants)


@pytest.mark.parametrize("on_vms", [(), (1,)], ids=["listed nowhere", "listed there"])
def test_without_that_promise_a_vm_that_nobody_sees_holds_the_volume(on_vms: tuple[int, ...]) -> None:
    """A hypervisor's list does not show the VMs that it lost."""
    found = decided(*on_vms, policy=CUTTING)

    assert found.placement is Placement.HELD_UNSEEN
    assert isinstance(found.action, Alarm)


@pytest.mark.parametrize("fence", [FencePolicy.HOLD, FencePolicy.POWER_OFF])
def test_another_policy_than_detach_takes_nothing_from_a_vm_that_nobody_sees(fence: FencePolicy) -> None:
    found = decided(1, policy=replace(FENCING, fence=fence))

    assert found.placement is Placement.HELD_UNSEEN
    assert isinstance(found.action, Alarm)


def test_a_volume_s_own_policy_goes_before_the_swarm_s() -> None:
    held = replace(REVOKED, spec=replace(REVOKED.spec, policy=FencePolicy.HOLD))

    assert isinstance(act(1, volume=held), Alarm)


def test_a_promise_to_fence_without_one_to_cut_is_none() -> None:
    policy = replace(POLICY, capabilities=replace(POLICY.capabilities, fences_at_storage=True))

    assert decided(1, policy=policy).placement is Placement.HELD_UNSEEN
    assert decided(policy=policy).placement is Placement.HELD_UNSEEN


def test_of_a_list_with_gaps_nothing_follows() -> None:
    assert isinstance(act(unlisted=("the LUN could not be read",)), Wait)


def test_a_gate_that_spoke_since_its_node_was_missed_is_believed_before_the_list() -> None:
    said = gate(1, MountState.MOUNTED, 1)

    assert isinstance(act(gates=[said]), Alarm)


def test_on_a_node_that_is_ready_only_the_gate_s_word_counts() -> None:
    assert not isinstance(act(nodes=[node(1)], gates=[gate(1, MountState.MOUNTED, 1)]), DropGrants)


def test_a_key_that_was_registered_again_beside_the_next_holder_s_is_an_alarm_and_nothing_is_done() -> None:
    """A node that does not obey may do so at any time: nobody can tell here which of the two wrote last."""
    found = decided(1, 2)

    assert found.placement is Placement.ON_MANY
    assert isinstance(found.action, Alarm)


def test_nobody_waits_for_the_volume_and_nothing_is_forced() -> None:
    found = act(1, wanted=None)

    assert isinstance(found, Wait)
    assert "which is down while its VM may still run" in found.why


def test_in_a_storm_nothing_is_forced_either() -> None:
    down = [node(n, NodeState.DOWN, down_for=60.0) for n in (1, 3)]

    assert isinstance(act(1, nodes=down, policy=replace(FENCING, max_down_fraction=0.5)), Alarm)
