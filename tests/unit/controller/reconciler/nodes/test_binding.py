"""A second node with a VM's UUID, or a node with another one than before, is not believed on its own word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, Confirmation, NodeId, NodeState, VmId, World
from controller.reconciler.nodes.binding import Claimed, refusal
from controller.records.base import NodeRecord
from tests.support.worlds import grant, node, on, record, vm, world

OLD = NodeRecord(node(1).id, vm(1), BootId("b1"), "host-1")
NEW = replace(node(2), id=NodeId("new"), hostname="copy", vm=None, boot=None, address="10.0.0.9")


def seen(state: NodeState = NodeState.DOWN, *, listed: bool = True, held: bool = True, address: str = "") -> World:
    """Node 1 is so in Swarm's list, and may hold volume data; a new node is in it too."""
    old = replace(node(1), state=state, address=address)
    there = record(grant(1)) if held else record()
    seen_so = world(*((on(1),) if held else ()), volume=there)
    return replace(seen_so, nodes={each.id: each for each in ((old, NEW) if listed else (NEW,))})


def said(boot_: str = "another", runs: str | None = None, vm_: VmId | None = None) -> Claimed:
    return Claimed(NEW.id, NEW.hostname, vm_ or vm(1), BootId(boot_), None if runs is None else BootId(runs))


def test_a_copy_of_a_machine_that_may_still_write_is_refused_with_what_to_do() -> None:
    """It would be evidence that the boot that writes has ended, against the policy hold."""
    why = refusal(said(), [OLD], seen())

    assert why is not None
    assert "which may still write to data" in why
    assert f"`reberth confirm-dead {OLD.node}" in why
    assert "SMBIOS UUID of its own" in why


def test_that_the_old_node_was_removed_from_the_swarm_is_no_evidence_either() -> None:
    assert refusal(said(), [OLD], seen(listed=False)) is not None


@pytest.mark.parametrize(("boot", "believed"), [("b1", True), ("b0", False)])
def test_a_persons_word_that_the_old_boot_has_ended_is_enough(boot: str, believed: bool) -> None:
    """Else nothing frees what hangs there: the planner asks for the new node's VM first."""
    word = Confirmation(OLD.node, OLD.vm, BootId(boot), "it was started again")

    assert (refusal(said(), [OLD], replace(seen(), confirmations=(word,))) is None) == believed


def test_where_nothing_hangs_on_the_old_boot_the_machine_is_taken_over() -> None:
    assert refusal(said(), [OLD], seen(held=False)) is None


def test_what_hangs_there_in_a_record_that_cannot_be_read_counts() -> None:
    unread = replace(seen(held=False), unreadable={record().key: "schema 9"})

    assert "what could not be read" in (refusal(said(), [OLD], unread) or "")
    assert refusal(said(), [OLD], replace(seen(held=False), unlisted=("host b is away",))) is not None


def test_a_node_that_left_and_joined_again_in_the_same_boot_goes_on() -> None:
    assert refusal(said(OLD.boot), [OLD], seen()) is None
    assert refusal(said(OLD.boot), [OLD], seen(listed=False)) is None


def test_the_same_boot_from_another_address_is_another_machine() -> None:
    """A boot is no secret: any container on the node can read it."""
    assert refusal(said(OLD.boot), [OLD], seen(address="10.0.0.1")) is not None
    assert refusal(said(OLD.boot), [OLD], seen(address=NEW.address)) is None


def test_the_same_boot_from_a_node_that_has_not_reported_to_swarm_yet_is_not_believed_yet() -> None:
    """Swarm lists who has joined before it knows from where: else nobody would have to say it."""
    known = seen(address="10.0.0.1")
    nodes = {name: replace(each, address="") if name == NEW.id else each for name, each in (known.nodes or {}).items()}
    assert refusal(said(OLD.boot), [OLD], replace(known, nodes=nodes)) is not None


@pytest.mark.parametrize("state", [each for each in NodeState if each is not NodeState.DOWN])
def test_two_nodes_of_one_vm_are_refused_while_swarm_does_not_call_the_first_one_down(state: NodeState) -> None:
    """After each change of Swarm's leader all nodes are unknown for a while."""
    for claimed in (said(), said(OLD.boot), said(runs="another")):
        why = refusal(claimed, [OLD], seen(state, held=False))
        assert why is not None
        assert state.value in why


def test_the_hypervisors_word_about_the_boot_binds_and_refutes() -> None:
    assert refusal(said(runs="another"), [OLD], seen()) is None
    assert "the hypervisor says that boot real runs there" in (refusal(said(runs="real"), [OLD], seen()) or "")
    assert refusal(said(runs="real"), [], seen(held=False)) is not None, "also for a node that nobody knew yet"


def test_a_node_whose_uuid_changes_keeps_what_it_was() -> None:
    mine = NodeRecord(NEW.id, vm(2), BootId("b2"), "copy")

    assert "was VM vm2 and now says it is VM vm-3" in (refusal(said(vm_=VmId("vm-3")), [mine], seen()) or "")
    assert refusal(said(vm_=vm(2)), [mine], seen()) is None


def test_other_machines_do_not_matter() -> None:
    assert refusal(said(vm_=VmId("vm-7")), [OLD], seen(NodeState.READY)) is None


PLAIN, SWAPPED = VmId("420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b"), VmId("6c0b0f42-2e1d-403f-8a9b-0c1d2e3f4a5b")


@pytest.mark.parametrize("named", [SWAPPED, PLAIN.upper(), f"{{{PLAIN}}}", PLAIN.replace("-", "")])
def test_a_vm_of_another_node_is_that_one_however_its_uuid_is_written(named: str) -> None:
    """Hypervisors know it in both byte orders: the node's word would be about the other one's disks."""
    why = refusal(said(vm_=VmId(named)), [replace(OLD, vm=PLAIN)], seen(NodeState.READY, held=False))

    assert why is not None
    assert "both say that they are VM" in why
