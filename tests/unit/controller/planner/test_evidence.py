"""Each piece of evidence: about which VM, from whom, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    BootId,
    Confirmation,
    Evidence,
    EvidenceKind,
    FencePolicy,
    GateVolume,
    MountState,
    NodeId,
    NodeState,
    Phase,
    Policy,
    Power,
    Serial,
    VolumeName,
    World,
)
from controller.planner.actions import Action, Alarm, Attach, Detach, DropGrants, Fence, Wait
from controller.planner.plan import plan
from tests.support.plans import dropped
from tests.support.worlds import CUTS, DISK, POLICY, V, claim, gate, grant, node, on, record, vm, world

DOWN = node(1, NodeState.DOWN, down_for=1.0)
LONG = node(1, NodeState.DOWN, down_for=60.0)
REVOKED = record(grant(1), serial=2)
MOVED = claim(2, "t2")
CUTTING = replace(POLICY, capabilities=CUTS)
WORD = Confirmation(NodeId("n1"), vm(1), BootId("b1"), "pulled the plug")
SAID = gate(1, MountState.UNMOUNTED, 2)
MOUNTED = gate(1, MountState.MOUNTED, 1)
NEW_BOOT = BootId("b9-5678-and-more")
REBOOTED = world(
    on(1),
    volume=record(grant(1, boot="b1-1234-and-more"), serial=2),
    wanted=MOVED,
    nodes=[node(1, boot=NEW_BOOT)],
    gates=[gate(1, boot=NEW_BOOT)],
)


def act(w: World, policy: Policy = POLICY) -> Action:
    (decision,) = plan(w, policy)
    return decision.action


def proof(kind: EvidenceKind, source: str, text: str) -> Evidence:
    return Evidence(kind, vm(1), f"volume data: {text}", source)


ON_RECORD = proof(EvidenceKind.RELEASED, "record", "no task on node swarm01 (VM vm1) has permission to mount it")
SEEN_OFF = proof(EvidenceKind.POWERED_OFF, "hypervisor", "the hypervisor sees node swarm01 (VM vm1) powered off")
CONFIRMED = proof(
    EvidenceKind.CONFIRMED, "a person", 'a person confirmed that node swarm01 (VM vm1) is dead: "pulled the plug"'
)

ABOUT_A_GRANT = {
    "released": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[SAID]),
        proof(
            EvidenceKind.RELEASED, "gate",
            "the gate on node swarm01 (VM vm1) has unmounted it and refuses every mount up to serial 2",
        ),
    ),
    "another boot": (
        REBOOTED,
        proof(
            EvidenceKind.RELEASED, "gate",
            "node swarm01 (VM vm1) has started again since (boot b9-5678-, the permission was for b1-1234-)",
        ),
    ),
    "powered off": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN], power={vm(1): Power.OFF}), SEEN_OFF
    ),
    "detached": (
        world(volume=REVOKED, wanted=MOVED, nodes=[DOWN], power={vm(1): Power.ON}),
        proof(
            EvidenceKind.DETACHED, "storage",
            "the storage lists the disk on no VM, no longer on node swarm01 (VM vm1), and a detach cuts all I/O",
        ),
    ),
    "confirmed by nobody in particular": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[LONG], confirmations=(WORD,)), CONFIRMED
    ),
}  # fmt: skip


@pytest.mark.parametrize(("w", "found"), ABOUT_A_GRANT.values(), ids=ABOUT_A_GRANT.keys())
def test_a_grant_is_dropped_with_a_proof_that_says_who_saw_what(w: World, found: Evidence) -> None:
    volume = (w.volumes or {})[V]

    assert dropped(act(w, CUTTING)) == (volume.grants, found)


KNOWN = replace(record(), place=vm(1))


def free(**more: object) -> World:
    """On VM 1 without a grant, wanted on node 2."""
    return world(on(1), volume=KNOWN, **{"wanted": MOVED} | more)  # type: ignore[arg-type]


ABOUT_NO_GRANT = {
    "its gate is silent": (free(gates=[gate(1, age=41.0)], nodes=[DOWN]), ON_RECORD),
    "its gate knows nothing of the volume": (free(), ON_RECORD),
    "its gate says that it is not mounted": (
        free(gates=[SAID]),
        proof(EvidenceKind.RELEASED, "gate", "the gate on node swarm01 (VM vm1) says that it is not mounted"),
    ),
    "its gate said so long ago": (free(gates=[replace(SAID, age=41.0)], nodes=[DOWN]), ON_RECORD),
    "its gate said mounted long ago": (free(gates=[replace(MOUNTED, age=41.0)], nodes=[DOWN]), ON_RECORD),
    "a person said that it is dead": (free(nodes=[LONG], confirmations=(WORD,)), CONFIRMED),
    "a person said so of another boot": (
        free(nodes=[LONG], confirmations=(replace(WORD, boot=BootId("b0")),)), ON_RECORD
    ),
    "its node never said which boot it is in": (
        free(nodes=[replace(LONG, boot=None)], confirmations=(replace(WORD, boot=None),)), ON_RECORD
    ),
    "its gate says mounted, but it is seen off": (
        free(wanted=None, nodes=[DOWN], power={vm(1): Power.OFF}, gates=[MOUNTED]), SEEN_OFF
    ),
    "its gate says mounted, but a person said that it is dead": (
        free(nodes=[LONG], gates=[MOUNTED], confirmations=(WORD,)), CONFIRMED
    ),
}  # fmt: skip


@pytest.mark.parametrize(("w", "found"), ABOUT_NO_GRANT.values(), ids=ABOUT_NO_GRANT.keys())
def test_a_disk_without_a_grant_is_taken_with_the_best_proof_there_is(w: World, found: Evidence) -> None:
    """Even where nobody was allowed to mount, the step says why it may take the disk."""
    action = act(w)

    assert isinstance(action, Detach)
    assert (action.volume, action.evidence, action.disk, action.vm) == (V, found, DISK, vm(1))


def test_a_vm_without_a_node_is_named_by_itself() -> None:
    """After `docker node rm` the VM may still have the disk."""
    known = replace(record(), place=vm(9))
    action = act(replace(world(on(9), volume=known, wanted=MOVED), gates={vm(2): gate(2)}))

    assert isinstance(action, Detach)
    assert action.evidence == Evidence(
        EvidenceKind.RELEASED, vm(9),
        "volume data: no task on VM vm9 (no node of the swarm is on it) has permission to mount it", "record",
    )  # fmt: skip


@pytest.mark.parametrize("power", [{}, {vm(1): Power.UNKNOWN}, None], ids=["not told", "unknown", "not read"])
def test_a_vm_that_is_not_seen_has_not_lost_its_disk(power: dict[object, Power] | None) -> None:
    """Power that the hypervisor does not tell is unknown: then a list without the disk proves nothing."""
    assert isinstance(act(world(volume=REVOKED, wanted=MOVED, nodes=[DOWN], power=power), CUTTING), Wait)


def test_a_word_counts_until_its_last_second_and_not_after_it() -> None:
    ends = [
        act(world(on(1), volume=REVOKED, wanted=MOVED, gates=[replace(SAID, age=age)])) for age in (40.0, 40.1)
    ]  # fmt: skip

    assert [type(each) for each in ends] == [Detach, Wait]


def test_without_a_fresh_word_of_its_gate_no_boot_has_ended() -> None:
    """What a gate said of another boot long ago may be older than the boot that is asked about."""
    old = {**REBOOTED.gates, vm(1): replace(REBOOTED.gates[vm(1)], age=41.0)}

    assert isinstance(act(replace(REBOOTED, gates=old)), Wait)
    assert isinstance(act(replace(REBOOTED, gates={vm(2): gate(2)})), Wait)


def test_a_removed_volume_that_its_gate_still_has_mounted_is_waited_for() -> None:
    """Also where the record lists no grant: the gate is believed before it."""
    assert isinstance(act(world(on(1), volume=record(phase=Phase.DELETING), gates=[MOUNTED])), Wait)


def test_what_a_gate_says_of_other_volumes_does_not_matter() -> None:
    other = VolumeName("other")
    view = gate(1, volumes={other: GateVolume(other, MountState.MOUNTED, Serial(9))})

    assert isinstance(act(free(gates=[view])), Detach)


def test_an_attach_names_the_disk_the_vm_and_why() -> None:
    """A new attachment and a new stamp are the same call for different reasons."""
    nowhere, unstamped = (act(world(*there, volume=record(), wanted=claim(1))) for there in ((), (on(1, 6),)))

    assert nowhere == Attach(V, DISK, vm(1), "Volume data is attached nowhere and wanted on node swarm01 (VM vm1).")
    assert unstamped == Attach(
        V, DISK, vm(1),
        "Volume data is on node swarm01 (VM vm1) already; the present epoch is stamped there, so that late calls of "
        "earlier leaders are refused.",
    )  # fmt: skip


def lost(**more: object) -> Action:
    """The storage lists the disk nowhere, and sees the VM; its gate said "mounted" in that boot."""
    made = {"nodes": [node(1)], "gates": [MOUNTED], "power": {vm(1): Power.ON}} | more
    return act(world(volume=REVOKED, wanted=MOVED, **made), CUTTING)  # type: ignore[arg-type]


def test_a_list_without_the_disk_is_no_evidence_against_a_gate_that_has_it_mounted_but_an_alarm() -> None:
    """The disk may have been moved or renamed under the VM that goes on writing to it."""
    told = lost()

    assert isinstance(told, Alarm)
    assert "but the gate there says that it is mounted: neither is believed" in told.why
    assert "moved or renamed" in told.cure


def test_on_a_node_that_is_ready_its_own_gate_says_that_the_disk_is_gone() -> None:
    """Also where it is silent just now, as all are to a controller that has only begun to act."""
    assert isinstance(lost(gates=[replace(MOUNTED, age=41.0)]), Wait)
    assert isinstance(lost(gates=[SAID]), DropGrants)


def test_a_gate_that_speaks_after_swarm_missed_its_node_is_believed_before_the_list() -> None:
    """Its Docker hangs, say. One that spoke before, and was then cut off, is not."""
    assert isinstance(lost(nodes=[LONG], gates=[replace(MOUNTED, age=30.0)]), Alarm)
    assert isinstance(lost(nodes=[LONG], gates=[replace(MOUNTED, age=41.0)]), DropGrants)
    assert isinstance(lost(nodes=[DOWN], gates=[replace(MOUNTED, age=1.5)]), DropGrants)


def test_a_word_about_another_boot_does_not_speak_against_the_list() -> None:
    assert isinstance(lost(nodes=[LONG], gates=[replace(MOUNTED, boot=BootId("b0"))]), DropGrants)


def test_where_the_vm_is_to_be_powered_off_a_contradiction_is_settled_so() -> None:
    policy = replace(CUTTING, fence=FencePolicy.POWER_OFF)
    w = world(volume=REVOKED, wanted=MOVED, nodes=[LONG], gates=[MOUNTED], power={vm(1): Power.ON})

    assert isinstance(act(w, policy), Fence)
