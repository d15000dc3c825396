"""What may happen to a cluster, each at the moments where a decision could go wrong."""

from __future__ import annotations

from dataclasses import replace

from controller.model import BootId, MountState, NodeId, NodeState, Power, VmId, World
from controller.planner.actions import Action, Alarm, Detach, DropGrants, GrantMount, Revoke, Wait
from controller.planner.plan import plan
from tests.support.plans import dropped
from tests.support.worlds import DISK, POLICY, V, claim, gate, grant, node, on, record, vm, world

DOWN = NodeState.DOWN
LONG = node(1, DOWN, down_for=60.0)
BOOT = BootId("b9")  # a later one of VM 1


def act(w: World) -> Action:
    (decision,) = plan(w, POLICY)
    return decision.action


def test_a_vm_that_the_hypervisor_restarted_elsewhere_keeps_its_disk_until_its_old_grant_is_over() -> None:
    """High availability boots the VM on another host, with the disk: its new boot is known before any grant."""
    booting = world(
        on(1), volume=record(grant(1)), wanted=claim(1), nodes=[node(1, DOWN, down_for=5.0)], power={vm(1): Power.ON}
    )
    spoke = world(
        on(1), volume=record(grant(1)), wanted=claim(1), nodes=[node(1, boot=BOOT)], gates=[gate(1, boot=BOOT)]
    )
    dropped = replace(spoke, volumes={V: record(serial=1)})

    assert isinstance(act(booting), Wait)
    assert isinstance(act(spoke), DropGrants)
    action = act(dropped)
    assert isinstance(action, GrantMount)
    assert (action.boot, action.serial) == (BOOT, 2)


def test_a_vm_restarted_elsewhere_gives_its_disk_to_the_task_that_swarm_moved_meanwhile() -> None:
    """The task is on another node by now; the rebooted gate knows no grant, so the disk is free, and is taken."""
    w = world(
        on(1), volume=record(serial=2), wanted=claim(2, "t2"), nodes=[node(1, boot=BOOT)], gates=[gate(1, boot=BOOT)]
    )
    action = act(w)

    assert isinstance(action, Detach)
    assert (action.vm, action.disk) == (vm(1), DISK)


def test_a_node_that_rejoined_on_the_same_vm_is_granted_under_its_new_id() -> None:
    """Same VM, same boot, another node ID: the old container has ended there, the new task gets a grant of its own."""
    again = replace(node(1), id=NodeId("n1-new"))
    wanted = replace(claim(1, "t2"), node=again.id)
    w = world(
        on(1), volume=record(grant(1)), wanted=wanted, nodes=[replace(LONG, vm=vm(1)), again],
        gates=[gate(1, MountState.UNMOUNTED, 1, node=again.id)],
    )  # fmt: skip
    action = act(w)

    assert isinstance(action, GrantMount)
    assert (action.node, action.vm, action.supersedes) == (again.id, vm(1), (grant(1),))


def test_a_claim_that_changes_again_and_again_costs_one_grant_each_and_no_move() -> None:
    """A crash loop on one node: each new task supersedes the grants of those before it, the disk stays."""
    volume, serials = record(grant(1)), []
    for number in range(2, 6):
        ended = gate(1, MountState.UNMOUNTED, volume.serial)
        action = act(world(on(1), volume=volume, wanted=claim(1, f"t{number}"), gates=[ended]))
        assert isinstance(action, GrantMount)
        serials.append(action.serial)
        assert action.supersedes == volume.grants
        volume = record(grant(1, f"t{number}", action.serial))

    assert serials == [2, 3, 4, 5]


def test_a_target_that_dies_before_its_grant_is_used_is_the_next_old_holder() -> None:
    """The disk arrived on node 2, which dies: seen off, its grant is dropped and the disk freed for node 3."""
    off = {vm(2): Power.OFF}
    dead = node(2, DOWN, down_for=1.0)
    granted = world(on(2), volume=record(grant(2, "t2")), wanted=claim(3, "t3"), nodes=[dead], power=off)
    free = replace(granted, volumes={V: record(serial=2)})

    assert dropped(act(granted))[0] == (grant(2, "t2"),)
    taken = act(free)
    assert isinstance(taken, Detach)
    assert taken.vm == vm(2)


def test_two_targets_of_one_failover_never_hold_it_both() -> None:
    """Swarm changes its mind while the disk is on its way: the second target waits for the first to let go."""
    held = world(on(2), volume=record(grant(2, "t2")), wanted=claim(3, "t3"), gates=[gate(2, MountState.MOUNTED, 1)])

    assert isinstance(act(held), Revoke)
    assert isinstance(act(replace(held, volumes={V: record(grant(2, "t2"), serial=2)})), Wait)


def test_a_vm_that_is_no_node_any_more_is_asked_about_by_its_power() -> None:
    gone = VmId("vm9")
    w = world(on(9), volume=record(grant(9), serial=2), wanted=claim(2, "t2"), power={gone: Power.OFF})

    assert dropped(act(w))[0] == (grant(9),)
    assert isinstance(act(replace(w, power={gone: Power.UNKNOWN})), Alarm)
