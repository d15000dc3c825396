"""While the storage cannot be read, a container that is started again where it was gets its volume back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    Attachment,
    Epoch,
    EvidenceKind,
    Intent,
    MountState,
    NodeState,
    Operation,
    Phase,
    Policy,
    Power,
    World,
)
from controller.planner.actions import Action, GrantMount, Revoke, Wait
from controller.planner.placement import Placement
from controller.planner.plan import Decision, plan
from controller.planner.remedies import remedy
from tests.support.worlds import EPOCH, POLICY, V, claim, gate, grant, node, record, running, vm, world

ENDED = gate(1, MountState.UNMOUNTED, 1)
AGAIN = claim(1, "t2")


def away(volume: object = None, **more: object) -> World:
    """The first task's container has ended on node 1, and Swarm wants the second there."""
    given = {"wanted": AGAIN, "gates": [ENDED], "attachments": None, "unread": ("vCenter does not answer",)} | more
    return world(volume=volume or record(grant(1)), **given)  # type: ignore[arg-type]


def decide(w: World, policy: Policy = POLICY) -> Decision:
    (decision,) = plan(w, policy)
    return decision


def act(w: World) -> Action:
    return decide(w).action


def test_the_next_task_on_the_same_node_is_granted_where_the_last_one_was_in_this_epoch() -> None:
    action = act(away())

    assert isinstance(action, GrantMount)
    assert (action.task, action.vm, action.serial, action.supersedes) == ("t2", vm(1), 2, (grant(1),))


def test_where_only_the_machines_own_host_cannot_be_read_it_is_the_same() -> None:
    assert isinstance(act(away(attachments=(), unlisted=("host b is away",))), GrantMount)


def test_a_volume_that_nobody_made_yet_waits_for_that_while_a_host_cannot_be_read() -> None:
    whole = replace(world(wanted=claim(1)), volumes={})
    assert decide(replace(whole, unlisted=("host b is away",))) == decide(whole)
    assert decide(whole).placement is Placement.NO_RECORD


def test_the_last_tasks_permission_is_taken_back_first_and_its_container_awaited() -> None:
    still = gate(1, MountState.MOUNTED, 1)
    assert isinstance(act(away(gates=[still])), Revoke)

    waiting = away(record(grant(1), serial=2), gates=[gate(1, MountState.MOUNTED, 2, users=(1,), age=1.0)])
    decision = decide(waiting)
    assert isinstance(decision.action, Wait)
    assert "the container of task t1 on node swarm01 (VM vm1) still has it mounted" in decision.action.why
    assert "`docker kill`" in remedy(decision, waiting, POLICY)


@pytest.mark.parametrize(
    "w",
    [
        away(record(replace(grant(1), epoch=Epoch(EPOCH - 1)))),
        away(record()),
        away(record(grant(1), intent=Intent(Operation.DETACH, EPOCH, vm(1), EvidenceKind.DETACHED))),
        away(record(grant(1), phase=Phase.DELETING)),
        away(record(grant(1, boot="b0"))),
        away(wanted=claim(2, "t2")),
        away(wanted=None),
        away(power={vm(1): Power.OFF}),
        away(nodes=[node(1, NodeState.DOWN, down_for=60.0)], wanted=claim(2, "t2")),
        away(wanted=running(claim(1)), gates=[gate(1, MountState.MOUNTED, 1)]),
        away(record(replace(grant(1), epoch=Epoch(EPOCH + 1)))),
        away(paused="work on the storage"),
    ],
    ids=[
        "of an earlier epoch", "no grant", "a detach was asked for", "removed", "another boot", "wanted elsewhere",
        "wanted nowhere", "its VM is off", "its node is down", "it runs there", "a newer leader's", "paused",
    ],
)  # fmt: skip
def test_in_every_other_case_nothing_is_done_until_the_storage_can_be_read(w: World) -> None:
    decision = decide(w)

    assert isinstance(decision.action, Wait)
    assert decision.placement is None
    assert "could not be read" in decision.action.why or "paused" in decision.action.why


def test_without_a_storage_that_keeps_a_disk_on_one_vm_nothing_is_granted_unseen() -> None:
    shared = replace(POLICY, capabilities=replace(POLICY.capabilities, exclusive_attach=False))
    none = replace(POLICY, capabilities=replace(POLICY.capabilities, max_disks_per_vm=0))

    assert isinstance(decide(away(), shared).action, Wait)
    assert isinstance(decide(away(), none).action, Wait)


def test_a_disk_that_is_listed_is_where_the_list_says() -> None:
    """The rule is for what cannot be read; it does not contradict what was."""
    moved = (Attachment(record().disk or "", vm(3), epoch=EPOCH),)  # type: ignore[arg-type]
    w = away(attachments=moved, unlisted=("host b is away",))

    assert not isinstance(act(w), GrantMount)
    assert decide(w).volume == V
