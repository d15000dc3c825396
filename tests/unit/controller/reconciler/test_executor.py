"""What one action writes and answers, also where it fails. Each began as a mutant that survived."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    AttachmentState,
    BootId,
    Confirmation,
    Epoch,
    Evidence,
    EvidenceKind,
    FencePolicy,
    Intent,
    Moment,
    NodeId,
    NodeState,
    Operation,
    Phase,
    Power,
    World,
)
from controller.planner.actions import Action, Attach, DeleteDisk, Detach, DropGrants, Fence, Revoke, Wait
from controller.planner.plan import plan
from controller.reconciler.record_writer import PROGRESS, Setback
from drivers.memory_storage import Fault
from tests.support.executors import BoundDriver, Desk
from tests.support.worlds import CUTS, DISK, EPOCH, POLICY, V, claim, grant, node, on, record, vm, world

REVOKED = record(grant(1), serial=2)
LONG = node(1, NodeState.DOWN, down_for=60.0)
RUNS = {vm(1): Power.ON}


async def test_a_revocation_is_the_next_serial_and_names_the_holder_and_why() -> None:
    volume = record(grant(1, serial=5))
    desk = Desk(volume, 1)

    assert await desk.do(world(on(1), volume=volume), Revoke(V, "It moved.")) == PROGRESS
    assert desk.kept.serial == 6
    assert [(each.moment, each.text, each.node) for each in desk.kept.history] == [
        (Moment.REVOKED, "It moved.", "swarm01")
    ]


@pytest.mark.parametrize(
    ("fault", "said", "kept"),
    [
        (Fault.REFUSED, "the storage refused to attach: ", False),
        (Fault.UNREACHABLE, "the storage could not be asked to attach: ", False),
        (Fault.LOST_BEFORE, "attach is in doubt: ", True),
    ],
)
async def test_a_call_that_fails_says_which_and_why(fault: Fault, said: str, kept: bool) -> None:
    volume = record()
    desk = Desk(volume)
    desk.storage.fail(Operation.ATTACH, fault)
    end = await desk.do(world(volume=volume), Attach(V, DISK, vm(1), "why"))

    assert isinstance(end, Setback)
    assert end.why.startswith(said)
    assert len(end.why) > len(said)
    assert (desk.kept.intent is not None) is kept


async def test_what_was_in_doubt_before_a_refused_call_is_in_doubt_after_it() -> None:
    """The refused call leaves no trace; an older leader's call may still come, so its intent comes back."""
    older = Intent(Operation.DETACH, Epoch(6), vm(2), in_doubt=True)
    volume = record(intent=older)
    desk = Desk(volume)
    desk.storage.fail(Operation.ATTACH, Fault.REFUSED)
    w = world(on(2), volume=volume)
    await desk.do(w, Attach(V, DISK, vm(1), "why"))

    assert desk.kept.intent == older
    assert desk.state.record(V) == desk.kept


async def test_a_settled_intent_does_not_come_back_after_a_refused_call() -> None:
    volume = record(intent=Intent(Operation.DETACH, Epoch(6), vm(2)))
    desk = Desk(volume)
    desk.storage.fail(Operation.ATTACH, Fault.REFUSED)
    await desk.do(world(volume=volume), Attach(V, DISK, vm(1), "why"))

    assert desk.kept.intent is None


async def test_a_disk_that_cannot_be_deleted_keeps_its_record_and_says_why() -> None:
    volume = record(phase=Phase.DELETING)
    desk = Desk(volume, 2)
    end = await desk.do(world(volume=volume), DeleteDisk(V))

    assert isinstance(end, Setback)
    assert end.why == "the storage refused to delete: disk disk-data is attached to vm2"
    assert desk.kept.intent is None


async def test_a_deletion_in_doubt_is_in_the_record() -> None:
    volume = record(phase=Phase.DELETING)
    desk = Desk(volume)
    desk.storage.fail(Operation.DELETE, Fault.LOST_BEFORE)
    await desk.do(world(volume=volume), DeleteDisk(V))

    assert desk.kept.intent == Intent(Operation.DELETE, EPOCH, at=1000.0, in_doubt=True)


async def test_a_removed_volume_without_a_disk_loses_its_record() -> None:
    volume = record(phase=Phase.DELETING, disk=None)
    desk = Desk(volume)

    assert await desk.do(world(volume=volume), DeleteDisk(V)) == PROGRESS
    assert desk.records.store.volumes == {}
    assert desk.state.record(V) is None


async def test_a_fence_is_noted_once_with_the_node_and_the_reason() -> None:
    """A fence that has to be repeated is one story in the history."""
    volume = REVOKED
    desk = Desk(volume, 1)
    for _ in range(2):
        end = await desk.do(world(on(1), volume=desk.kept), Fence(V, vm(1), NodeId("n1"), "It is down."))
        assert end == PROGRESS

    assert [(each.moment, each.text, each.node) for each in desk.kept.history] == [
        (Moment.FENCED, "power-off of VM vm1 asked for: It is down.", "swarm01")
    ]


async def test_a_vm_that_is_not_seen_off_after_its_power_off_is_a_setback() -> None:
    desk = Desk(REVOKED, 1)
    desk.storage.vms[vm(1)].connected = False
    end = await desk.do(world(on(1), volume=REVOKED), Fence(V, vm(1), NodeId("n1"), "It is down."))

    assert end == Setback("power-off of VM vm1: VM vm1 was not seen off afterwards")


async def test_a_power_off_that_the_settings_forbid_is_a_setback_with_the_cure() -> None:
    desk = Desk(REVOKED, 1)
    desk.use(BoundDriver(desk.storage))
    end = await desk.do(world(on(1), volume=REVOKED), Fence(V, vm(1), NodeId("n1"), "It is down."))

    assert end == Setback("power-off of VM vm1 was refused: VM vm1 is not in the settings", cure="Name it there.")
    assert desk.storage.vms[vm(1)].power is Power.ON


def act(w: World, **policy: object) -> Action:
    (decision,) = plan(w, replace(POLICY, **policy))  # type: ignore[arg-type]
    return decision.action


def test_a_fence_is_about_the_vm_and_the_node_of_the_holder() -> None:
    """Which of the two reasons for a power-off it was is said."""
    w = world(on(1), volume=REVOKED, wanted=claim(2, "t2"), nodes=[LONG], power=RUNS)
    by_policy, by_need = act(w, fence=FencePolicy.POWER_OFF), act(w)

    assert isinstance(by_policy, Fence)
    assert isinstance(by_need, Fence)
    assert (by_policy.vm, by_policy.node) == (vm(1), NodeId("n1"))
    assert "(policy 'power-off')" in by_policy.why
    assert "(this storage cannot cut its writes)" in by_need.why


def test_a_fence_of_a_node_that_left_the_swarm_names_no_node() -> None:
    w = world(on(1), volume=REVOKED, wanted=claim(2, "t2"), power=RUNS, gates=())
    w = replace(w, nodes={k: each for k, each in (w.nodes or {}).items() if k != "n1"}, gates={})
    action = act(w)

    assert isinstance(action, Fence)
    assert action.node == NodeId("")


def test_a_detach_that_is_the_fence_takes_this_disk_from_the_holder() -> None:
    w = world(on(1), volume=REVOKED, wanted=claim(2, "t2"), nodes=[LONG], power=RUNS)

    assert act(w, capabilities=CUTS) == Detach(
        V, DISK, vm(1), None,
        "Volume data: node swarm01 is down and its VM vm1 still runs; the disk is taken from it, which ends its writes "
        "(policy 'detach').",
    )  # fmt: skip


@pytest.mark.parametrize("w", [
    world(on(1, 8), volume=record(), wanted=claim(1)),
    world(on(1, state=AttachmentState.UNCERTAIN), volume=record(), wanted=claim(1)),
], ids=["a newer leader acts", "the storage is at work"])  # fmt: skip
def test_what_changes_by_itself_is_looked_at_again_soon(w: World) -> None:
    action = act(w)

    assert isinstance(action, Wait)
    assert action.until == 2.0


def test_the_reason_of_a_move_names_where_it_goes() -> None:
    moved, taken = (act(world(on(1), volume=volume, wanted=claim(2, "t2"))) for volume in (record(), record(grant(1))))
    left = act(world(on(1), volume=record(grant(1))))

    assert isinstance(moved, Detach)
    assert moved.why == "Volume data goes to node swarm02."
    assert isinstance(taken, Revoke)
    assert taken.why == (
        "Volume data: node swarm02 should have it, so the permission to mount it on node swarm01 (VM vm1) is taken "
        "back."
    )
    assert isinstance(left, Revoke)
    assert "no task wants it there" in left.why


def test_a_task_on_a_node_that_left_the_swarm_is_told_so() -> None:
    action = act(world(volume=record(), wanted=claim(9)))

    assert isinstance(action, Wait)
    assert "is not placed on a node that is still in the swarm yet" in action.why


def test_the_grace_is_counted_from_the_first_second() -> None:
    """The wait is what is left, also in its last second and for a node that was lost this moment."""
    waits = [
        act(world(on(1), volume=REVOKED, wanted=claim(2), nodes=[node(1, NodeState.DOWN, down_for=since)], power=RUNS))
        for since in (None, 9.5)
    ]

    assert [each.until for each in waits if isinstance(each, Wait)] == [10.0, 0.5]


@pytest.mark.parametrize(("there", "kept"), [((), False), ((1,), True)], ids=["settled", "open"])
async def test_dropped_grants_leave_an_intent_only_while_it_is_open(there: tuple[int, ...], kept: bool) -> None:
    """With the last grant goes an intent that the storage's list confirms; one that it does not stays."""
    volume = replace(REVOKED, intent=Intent(Operation.DETACH, Epoch(6), vm(1)))
    desk = Desk(volume, *there)
    proof = Evidence(EvidenceKind.POWERED_OFF, vm(1), "it is off", "hypervisor")
    w = world(*(on(each) for each in there), volume=volume)

    assert await desk.do(w, DropGrants(V, volume.grants, proof)) == PROGRESS
    assert desk.kept.grants == ()
    assert (desk.kept.intent is not None) is kept


def test_evidence_says_who_saw_what() -> None:
    """A person's word bears the name and the reason, the storage's says where the disk is now."""
    word = Confirmation(NodeId("n1"), vm(1), BootId("b1"), "pulled the plug", "ann")
    said = act(world(on(1), volume=REVOKED, wanted=claim(2), nodes=[LONG], confirmations=(word,)))
    gone = act(world(on(2), volume=REVOKED, wanted=claim(2), nodes=[LONG], power=RUNS), capabilities=CUTS)

    assert isinstance(said, Detach)
    assert said.evidence is not None
    assert isinstance(gone, DropGrants)
    assert (said.evidence.source, said.evidence.text) == (
        "ann", 'volume data: ann confirmed that node swarm01 (VM vm1) is dead: "pulled the plug"'
    )  # fmt: skip
    assert gone.evidence.source == "storage"
    assert gone.evidence.text.endswith(
        "the disk on node swarm02 (VM vm2), no longer on node swarm01 (VM vm1), and a detach cuts all I/O"
    )
