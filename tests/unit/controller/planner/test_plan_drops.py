"""Grants that evidence ends leave the record with the disk, where it may be taken from that same VM at once."""

from __future__ import annotations

from dataclasses import replace

from controller.model import BootId, MountState, Power
from controller.planner.actions import Detach, DropGrants
from tests.support.plans import CUTTING, DOWN_LONG, DOWN_NOW, MOVED, OFF, REVOKED, act
from tests.support.worlds import DISK, V, claim, gate, grant, node, on, record, vm, world


def test_what_proves_the_grant_dead_takes_the_disk_in_the_same_step() -> None:
    gone = act(world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.UNMOUNTED, 2)]))

    assert isinstance(gone, Detach)
    assert (gone.disk, gone.vm, gone.drops) == (DISK, vm(1), REVOKED.grants)
    assert gone.evidence is not None
    assert "refuses every mount up to serial" in gone.evidence.text  # the grant's own, which says more
    assert gone.why == (
        "Volume data goes to node swarm02: the gate on node swarm01 (VM vm1) has unmounted it and refuses every mount "
        "up to serial 2."
    )


def test_only_what_the_evidence_is_about_is_dropped_and_the_disk_stays_while_others_hold_grants() -> None:
    both = record(grant(1), grant(3, "t3"), serial=3)
    gone = act(world(on(1), volume=both, wanted=MOVED, nodes=[DOWN_NOW], power=OFF))

    assert isinstance(gone, DropGrants)
    assert gone.grants == (grant(1),)


def test_evidence_about_one_vm_takes_no_disk_from_another() -> None:
    """Both are off, and the disk is not where the grant was."""
    power = {vm(1): Power.OFF, vm(3): Power.OFF}
    gone = act(world(on(3), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], power=power))

    assert isinstance(gone, DropGrants)


def test_where_the_detach_itself_is_the_fence_the_grant_goes_alone() -> None:
    """The boot of the grant is over; what runs there now may still write, and spoke half a minute ago."""
    again = replace(DOWN_LONG, boot=BootId("b9"))
    word = replace(gate(1, MountState.MOUNTED, 2, boot=BootId("b9")), age=30.0)
    w = world(on(1), volume=REVOKED, wanted=MOVED, nodes=[again], gates=[word], power={vm(1): Power.ON})
    gone = act(w, CUTTING)

    assert isinstance(gone, DropGrants)
    forced = act(replace(w, volumes={V: record(serial=2)}), CUTTING)
    assert isinstance(forced, Detach)
    assert forced.evidence is None


def test_a_disk_that_stays_where_it_is_keeps_nobody_from_dropping_the_grant() -> None:
    """The node is back in another boot, and its own task goes on there."""
    back = node(1, boot=BootId("b9"))
    kept = act(world(on(1), volume=record(grant(1)), wanted=claim(1), nodes=[back], gates=[gate(1, boot=back.boot)]))

    assert isinstance(kept, DropGrants)
