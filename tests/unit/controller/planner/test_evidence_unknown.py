"""A disk where the record did not bring it: from a backup of the swarm, or by a person's hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    BootId,
    Confirmation,
    EvidenceKind,
    FencePolicy,
    MountState,
    NodeId,
    NodeState,
    Phase,
    Policy,
    Power,
    VmId,
    VolumeRecord,
    World,
)
from controller.planner.actions import Action, Alarm, Detach, Fence, Wait, reason
from controller.planner.placement import Placement
from controller.planner.plan import plan
from tests.support.worlds import CUTS, POLICY, claim, gate, grant, node, on, record, vm, world

CUTTING = replace(POLICY, capabilities=CUTS)
SILENT = gate(1, age=41.0)
DOWN = node(1, NodeState.DOWN, down_for=60.0)
ELSEWHERE = replace(record(), place=vm(3))  # its disk was on VM 3 when the backup was made
UNKNOWN = record()  # of an older version, adopted, or brought back


def act(w: World, policy: Policy = CUTTING) -> Action:
    (decision,) = plan(w, policy)
    return decision.action


def found_on(n: int, volume: VolumeRecord, **more: object) -> World:
    """On that VM, whose gate is silent; wanted on node 2, without a grant anywhere."""
    given = {"wanted": claim(2, "t2"), "gates": [SILENT], "power": {vm(1): Power.ON, vm(9): Power.ON}} | more
    return world(on(n), volume=volume, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("volume", [ELSEWHERE, UNKNOWN], ids=["elsewhere", "nowhere"])
def test_a_record_that_did_not_bring_the_disk_there_is_no_evidence_while_the_gate_is_silent(
    volume: VolumeRecord,
) -> None:
    """Whoever leads after a restore does not know what was permitted since the backup."""
    (decision,) = plan(found_on(1, volume), CUTTING)

    assert decision.placement is Placement.HELD_SILENT
    assert isinstance(decision.action, Wait)


@pytest.mark.parametrize("state", [None, MountState.UNMOUNTED])
def test_a_gate_that_speaks_and_has_nothing_mounted_lets_it_go(state: MountState | None) -> None:
    found = act(found_on(1, ELSEWHERE, gates=[gate(1, state)]))

    assert isinstance(found, Detach)
    assert found.evidence is not None
    assert found.evidence.kind is EvidenceKind.RELEASED


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.UNKNOWN, NodeState.DOWN])
def test_where_the_record_brought_the_disk_its_word_is_enough_unless_the_node_is_ready(state: NodeState) -> None:
    """Whoever has just begun to lead hears the gate of a node that is ready within seconds."""
    found = act(found_on(1, replace(record(), place=vm(1)), nodes=[node(1, state, down_for=1.0)]))

    if state is NodeState.READY:
        assert isinstance(found, Wait)
        return

    assert isinstance(found, Detach)
    assert found.evidence is not None
    assert found.evidence.source == "record"


@pytest.mark.parametrize(
    ("policy", "forced"), [(FencePolicy.DETACH, Detach), (FencePolicy.POWER_OFF, Fence), (FencePolicy.HOLD, Alarm)]
)
def test_on_a_node_that_is_down_the_policy_decides_as_if_it_had_a_permission(
    policy: FencePolicy, forced: type[Action]
) -> None:
    found = act(found_on(1, ELSEWHERE, nodes=[DOWN]), replace(CUTTING, fence=policy))

    assert isinstance(found, forced)
    assert not isinstance(found, Detach) or found.evidence is None


@pytest.mark.parametrize("policy", list(FencePolicy))
@pytest.mark.parametrize("phase", [Phase.READY, Phase.DELETING])
@pytest.mark.parametrize("power", [Power.ON, Power.UNKNOWN])
def test_nothing_is_forced_on_a_machine_that_neither_swarm_nor_the_record_knows(
    policy: FencePolicy, phase: Phase, power: Power
) -> None:
    """A person may have given the disk to a machine of another use, to save what is on it."""
    wanted = claim(2, "t2") if phase is Phase.READY else None
    w = found_on(9, replace(ELSEWHERE, phase=phase), wanted=wanted, power={vm(9): power})
    found = act(w, replace(CUTTING, fence=policy))

    assert isinstance(found, Alarm)
    assert f"its disk is on VM vm9 (no node of the swarm is on it), whose power is '{power.value}'" in found.why
    assert "the record does not know how it came there" in found.why
    assert found.cure.startswith("See who uses disk disk-data on VM vm9")


def test_a_machine_that_may_still_join_is_waited_for_and_then_a_person_is_asked() -> None:
    found = act(found_on(9, ELSEWHERE, unclaimed={vm(9): 10.0}))

    assert isinstance(found, Wait)
    assert reason(found).endswith("Waiting for it to join or to be seen off, then a person has to look, in 20 s.")


def test_an_unknown_place_of_a_disk_that_nobody_wants_is_told() -> None:
    found = act(found_on(9, ELSEWHERE, wanted=None))

    assert isinstance(found, Wait)
    assert found.why.endswith("it may be in use. No task waits for it.")


@pytest.mark.parametrize(
    "freed",
    [
        {"power": {vm(1): Power.OFF}},
        {"nodes": [DOWN], "confirmations": (Confirmation(NodeId("n1"), vm(1), BootId("b1"), "burnt"),)},
    ],
    ids=["seen off", "confirmed"],
)
def test_evidence_frees_it_as_ever(freed: dict[str, object]) -> None:
    found = act(found_on(1, UNKNOWN, **freed))

    assert isinstance(found, Detach)
    assert found.evidence is not None


def test_a_machine_that_was_never_heard_of_is_held_without_a_boot() -> None:
    """Neither its gate nor its node told one: so no boot can be proven to have ended."""
    w = found_on(9, UNKNOWN, gates=[replace(gate(9), age=41.0, vm=VmId("vm9"))])

    assert isinstance(act(w), Alarm)


UNREAD = replace(node(1), vm=None, boot=None)  # its record cannot be read
GRANTED = record(grant(1), serial=2)


@pytest.mark.parametrize("policy", list(FencePolicy))
def test_a_node_whose_record_cannot_be_read_has_not_left_the_swarm(policy: FencePolicy) -> None:
    """It is ready, and may only be slow to let go: nothing is forced on it, as on any that is ready."""
    w = world(on(1), volume=GRANTED, wanted=claim(2, "t2"), nodes=[UNREAD], gates=[SILENT], power={vm(1): Power.ON})
    (decision,) = plan(w, replace(CUTTING, fence=policy))

    assert decision.placement is Placement.HELD_SILENT
    assert isinstance(decision.action, Wait)
    assert "may be mounted on node swarm01 (VM vm1), which is ready" in decision.action.why


def test_a_node_whose_record_cannot_be_read_is_fenced_when_it_is_down_for_long() -> None:
    down = replace(UNREAD, state=NodeState.DOWN, down_for=60.0)
    w = world(on(1), volume=GRANTED, wanted=claim(2, "t2"), nodes=[down], gates=[SILENT], power={vm(1): Power.ON})
    found = act(w, replace(CUTTING, fence=FencePolicy.POWER_OFF))

    assert isinstance(found, Fence)
    assert (found.vm, found.node) == (vm(1), NodeId("n1"))


def test_a_node_whose_record_cannot_be_read_has_its_grace() -> None:
    down = replace(UNREAD, state=NodeState.DOWN, down_for=CUTTING.grace - 4.0)
    w = world(on(1), volume=GRANTED, wanted=claim(2, "t2"), nodes=[down], gates=[SILENT], power={vm(1): Power.ON})
    found = act(w)

    assert isinstance(found, Wait)
    assert (found.until, found.counting) == (4.0, True)
