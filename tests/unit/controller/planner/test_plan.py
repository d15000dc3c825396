"""Every row of the table: where a volume is, and the one step that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    BootId,
    DiskId,
    EvidenceKind,
    FencePolicy,
    MountState,
    NodeId,
    Policy,
    Power,
    Serial,
    Spec,
    TaskId,
    VolumeKey,
    VolumeName,
    World,
)
from controller.planner.actions import (
    Action,
    Alarm,
    Attach,
    CreateDisk,
    DeleteDisk,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    Refuse,
    Wait,
)
from controller.planner.placement import Placement
from controller.planner.plan import plan
from controller.planner.table import TABLE as ROWS
from tests.support.planner_table import TABLE
from tests.support.plans import (
    CUTTING,
    DOWN,
    DOWN_LONG,
    DOWN_NOW,
    MOVED,
    OFF,
    ON,
    REVOKED,
    act,
    dropped,
    said_dead,
)
from tests.support.worlds import (
    DISK,
    GUARDED,
    POLICY,
    V,
    claim,
    gate,
    grant,
    node,
    on,
    record,
    said_of,
    twice,
    vm,
    world,
)


@pytest.mark.parametrize(("w", "where", "step"), TABLE.values(), ids=TABLE.keys())
def test_each_situation_has_its_place_and_its_step(w: World, where: Placement, step: type[Action]) -> None:
    """Each situation is recognised, and exactly one step of the right kind follows for its volume."""
    decisions = plan(w, POLICY)

    assert [(d.placement, type(d.action)) for d in decisions if d.volume == V] == [(where, step)]
    assert [d.volume for d in decisions] == sorted({*(w.volumes or {}), *(w.claims or {})})
    assert all(d.action.volume == d.volume for d in decisions)


def test_the_table_is_total() -> None:
    """Every placement has a row with a step and a remedy, so that no situation can be without an answer."""
    assert list(ROWS) == list(Placement)
    assert all(row.placement is place and row.remedy for place, row in ROWS.items())


def test_every_placement_is_shown_in_the_table_above() -> None:
    """A new placement needs an example here; a VM without room has its own test below."""
    assert {where for _, where, _ in TABLE.values()} | {Placement.TARGET_FULL} == set(Placement)


@pytest.mark.parametrize("w", [w for w, _, _ in TABLE.values()], ids=TABLE.keys())
def test_reasons_are_sentences_that_name_the_volume(w: World) -> None:
    """Whatever is said to a person names the volume and ends as a sentence."""
    action = act(w)
    if isinstance(action, CreateDisk | DeleteDisk | DropGrants | GrantMount):
        return

    assert "olume data" in action.why
    assert "None" not in action.why
    assert action.why[0].isupper()
    assert action.why.endswith((".", "`", ")")) or isinstance(action, Refuse)


@pytest.mark.parametrize(
    ("w", "kind"),
    [
        (world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.UNMOUNTED, 2)]), EvidenceKind.RELEASED),
        (world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_NOW], power=OFF), EvidenceKind.POWERED_OFF),
        (world(volume=REVOKED, wanted=MOVED, nodes=[DOWN_NOW], power=ON), EvidenceKind.DETACHED),
        (
            world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], confirmations=(said_dead("b1"),)),
            EvidenceKind.CONFIRMED,
        ),
    ],
    ids=lambda x: x.value if isinstance(x, EvidenceKind) else "",
)
def test_each_kind_of_evidence_drops_the_grant(w: World, kind: EvidenceKind) -> None:
    """A grant is dropped with the evidence that was found, about the VM that held it."""
    grants, found = dropped(act(w, CUTTING))

    assert (found.kind, found.vm, grants) == (kind, vm(1), REVOKED.grants)


def test_a_detach_is_no_evidence_where_the_driver_cannot_cut_io() -> None:
    """A disk that is listed nowhere proves nothing if the guest could still write to it."""
    assert isinstance(act(world(volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], power=ON)), Fence)


@pytest.mark.parametrize(
    ("policy", "own", "step"),
    [
        (CUTTING, None, Detach),
        (replace(CUTTING, fence=FencePolicy.POWER_OFF), None, Fence),
        (replace(CUTTING, fence=FencePolicy.HOLD), None, Alarm),
        (CUTTING, FencePolicy.HOLD, Alarm),
        (replace(CUTTING, fence=FencePolicy.HOLD), FencePolicy.POWER_OFF, Fence),
        (POLICY, FencePolicy.DETACH, Fence),
    ],
)
def test_the_fence_policy_of_the_volume_comes_before_the_clusters(
    policy: Policy, own: FencePolicy | None, step: type[Action]
) -> None:
    """A VM that runs although its node is down is fenced as the volume says, else as the cluster says."""
    volume = replace(REVOKED, spec=Spec(1 << 30, policy=own))
    action = act(world(on(1), volume=volume, wanted=MOVED, nodes=[DOWN_LONG], power=ON), policy)

    assert isinstance(action, step)
    if isinstance(action, Detach):
        assert action.evidence is None
    if isinstance(action, Alarm):
        assert "reberth confirm-dead swarm01 --reason" in action.cure


def test_a_detach_from_a_vm_that_is_off_carries_its_evidence() -> None:
    """A disk is taken from a dead VM with the hypervisor's word in hand."""
    action = act(world(on(1), volume=record(), wanted=MOVED, nodes=[DOWN_NOW], power=OFF))

    assert isinstance(action, Detach)
    assert action.evidence is not None
    assert (action.evidence.kind, action.disk, action.vm) == (EvidenceKind.POWERED_OFF, DISK, vm(1))


def test_a_grant_takes_the_next_serial_and_stands_for_the_old_ones() -> None:
    """The new grant replaces those on the same boot whose tasks are gone, and leaves those of wanted tasks."""
    volume = record(grant(1, "gone", 3), grant(1, "kept", 4))
    view = gate(1, volumes={V: said_of(MountState.MOUNTED, 4, (4,), floor=3)})
    action = act(world(on(1), volume=volume, wanted=claim(1, "new", "kept"), gates=[view]))

    assert action == GrantMount(
        V, TaskId("new"), NodeId("n1"), vm(1), BootId("b1"), Serial(5), supersedes=(grant(1, "gone", 3),)
    )


def test_a_second_mount_of_one_container_keeps_the_grant_of_the_first() -> None:
    """A grant that a wanted task's mount is counted under stays listed: else nobody would know whose mount that is."""
    volume = record(grant(1), serial=2)
    view = gate(1, volumes={V: said_of(MountState.MOUNTED, 2, (1,), floor=2)})
    action = act(world(on(1), volume=volume, wanted=twice(claim(1)), gates=[view]))

    assert action == GrantMount(V, TaskId("t1"), NodeId("n1"), vm(1), BootId("b1"), Serial(3), supersedes=())


def test_a_grant_is_above_what_the_gate_knows() -> None:
    """With records from a backup the gate may have met later serials; a grant below them would be refused for ever."""
    action = act(world(on(1), volume=record(), wanted=claim(1), gates=[gate(1, MountState.UNMOUNTED, 41)]))

    assert isinstance(action, GrantMount)
    assert action.serial == 42


def test_the_grace_is_waited_to_its_end_and_no_longer() -> None:
    """Within the grace the wait says for how long; at its end the fence acts."""
    silent = [gate(1, age=20.0)]
    lost = [node(1, DOWN, down_for=9.0)], [node(1, DOWN, down_for=10.0)]
    before, after = (act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=n, gates=silent, power=ON)) for n in lost)

    assert isinstance(before, Wait)
    assert before.until == 1.0
    assert isinstance(after, Fence)


def test_a_machine_whose_node_was_removed_has_half_a_minute_to_join_and_is_fenced_then() -> None:
    """After `docker node rm` no heartbeat can come back; but a machine that was just started runs before it joins."""
    w = world(on(1), volume=REVOKED, wanted=MOVED, power=ON)
    w = replace(w, nodes={k: n for k, n in (w.nodes or {}).items() if k != "n1"}, gates={})
    before, after = (act(replace(w, unclaimed={vm(1): seconds})) for seconds in (29.0, 30.0))

    assert isinstance(before, Wait)
    assert (before.until, "whose node is not in the swarm" in before.why) == (1.0, True)
    assert isinstance(after, Fence)


def test_a_rejoined_node_is_its_vm_whatever_its_id() -> None:
    """A node that left and rejoined in the same boot gives the volume up by its VM's gate, under its new ID."""
    rejoined = replace(node(1), id=NodeId("n1-new"))
    w = world(
        on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG, rejoined],
        gates=[gate(1, MountState.UNMOUNTED, 2, node=NodeId("n1-new"))],
    )  # fmt: skip

    assert dropped(act(w))[0] == REVOKED.grants


def test_a_storm_fences_nobody_but_uses_evidence() -> None:
    """With most nodes not ready at once nothing is forced; a VM seen off is evidence all the same."""
    lost = [DOWN_LONG, node(3, DOWN, down_for=60.0)]
    running = act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=lost, power={vm(1): Power.ON, vm(3): Power.ON}))
    off = act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=lost, power={vm(1): Power.OFF, vm(3): Power.ON}))

    assert isinstance(running, Alarm)
    assert "2 of 3 nodes" in running.why
    assert dropped(off)[0] == REVOKED.grants


def test_nodes_seen_off_and_ids_left_behind_make_no_storm() -> None:
    """A VM known to be off is explained, and the old ID of a rejoined node is no node."""
    left = replace(node(3, DOWN), id=NodeId("n3-old"))
    w = world(
        on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG, left, node(4, DOWN)],
        power={vm(1): Power.ON, vm(4): Power.OFF},
    )  # fmt: skip

    assert isinstance(act(w), Fence)


def test_a_vm_without_room_refuses_the_next_disk() -> None:
    """The last free slot goes to the first volume of a plan; the second one is told that the VM is full."""
    name = VolumeName("other")
    other = replace(record(), name=name, key=VolumeKey("other"), fs_uuid="u2", disk=DiskId("disk-other"))
    w = world(volume=record(), wanted=claim(1))
    w = replace(w, volumes={V: record(), other.name: other}, claims={V: claim(1), other.name: claim(1)})
    one = replace(POLICY, capabilities=replace(GUARDED, max_disks_per_vm=1))

    first, second = (each.action for each in plan(w, one))

    assert isinstance(first, Attach)
    assert isinstance(second, Refuse)
    assert "swarm01" in second.why


@pytest.mark.parametrize("part", ["nodes", "claims", "volumes", "attachments"])
def test_a_part_that_could_not_be_read_holds_every_volume(part: str) -> None:
    """Nothing is decided on half a picture; the reason of the reading is passed on."""
    w = replace(world(volume=record(), wanted=claim(1), unread=("vCenter does not answer",)), **{part: None})  # type: ignore[arg-type]
    action = act(w)

    assert isinstance(action, Wait)
    assert "vCenter does not answer" in action.why


def test_a_pause_holds_every_volume_with_the_persons_reason() -> None:
    """While paused nothing is done, and everybody is told why."""
    action = act(world(volume=record(), wanted=claim(1), paused="maintenance"))

    assert isinstance(action, Wait)
    assert "maintenance" in action.why


@pytest.mark.parametrize("caps", [replace(GUARDED, max_disks_per_vm=0), replace(GUARDED, exclusive_attach=False)])
def test_without_a_storage_that_is_exclusive_nothing_is_done(caps: object) -> None:
    """No storage, or one that would attach twice: everybody waits and is told what is missing."""
    assert isinstance(act(world(volume=record(), wanted=claim(1)), replace(POLICY, capabilities=caps)), Wait)  # type: ignore[arg-type]


def test_without_a_guard_no_stamp_is_asked_for() -> None:
    """A driver that keeps no stamps is granted on as it is."""
    policy = replace(POLICY, capabilities=replace(GUARDED, epoch_guard=False))

    assert isinstance(act(world(on(1, None), volume=record(), wanted=claim(1)), policy), GrantMount)


def test_there_is_one_action_for_each_record_and_claim() -> None:
    """Volumes that are only wanted and volumes that are only recorded are both answered, in order of names."""
    other = replace(claim(1), volume=VolumeName("aaa"))
    w = replace(world(volume=record()), claims={other.volume: other})

    assert [a.volume for a in plan(w, POLICY)] == ["aaa", V]
