"""A machine that is gone is found by its hostname, its ID or its VM, also when Swarm's list has forgotten it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, NodeId, NodeState, VmId, VolumeName
from controller.reconciler.nodes.lost_nodes import hanging_on, known, named
from controller.records.base import NodeRecord
from tests.support.worlds import V, grant, node, record, world

OLD = NodeRecord(NodeId("old"), VmId("vm9"), BootId("boot9"), "swarm09")
RECORDS = {OLD.node: OLD}
HELD = replace(grant(1), node=OLD.node, vm=OLD.vm, boot=BootId("boot8"))
WORLD = world(volume=record(HELD))


@pytest.mark.parametrize("name", ["swarm09", "old", "vm9"])
def test_a_removed_node_is_found_under_each_of_its_names_in_the_boot_of_its_grants(name: str) -> None:
    """What may still write is the boot that was granted the volume, whatever its node service said last."""
    (found,) = named(name, WORLD, RECORDS)
    assert (found.node, found.hostname, found.vm, found.boot, found.state) == ("old", "swarm09", "vm9", "boot8", None)


@pytest.mark.parametrize("name", ["old", "vm9"])
def test_a_node_whose_record_is_gone_too_is_found_by_the_grants_that_name_it(name: str) -> None:
    (found,) = named(name, WORLD, {})
    assert (found.node, found.vm, found.boot) == ("old", "vm9", "boot8")


def test_of_two_of_one_name_the_dead_one_in_the_list_is_meant() -> None:
    """A machine that rejoined left its old ID behind; if its new node is dead, that is the one."""
    down = node(1, NodeState.DOWN)
    twin = replace(OLD, hostname=down.hostname)
    (found,) = named(down.hostname, world(volume=record(HELD), nodes=[down]), {twin.node: twin})
    assert found.node == down.id


def test_a_ready_node_is_meant_only_if_no_dead_one_bears_the_name() -> None:
    ready = node(1)
    twin = replace(OLD, hostname=ready.hostname)
    assert [each.node for each in named(ready.hostname, WORLD, {twin.node: twin})] == ["old"]
    assert [each.node for each in named(ready.hostname, WORLD, RECORDS)] == [ready.id]


def test_what_hangs_on_a_machine_is_what_it_was_granted_in_that_boot_or_has_attached() -> None:
    assert hanging_on(WORLD, OLD.vm, BootId("boot8")) == (VolumeName(V),)
    assert hanging_on(WORLD, OLD.vm, BootId("another")) == ()


def test_all_that_may_be_said_is_listed() -> None:
    assert known(WORLD, RECORDS) == ("swarm01", "swarm02", "swarm03", "swarm09")
