"""Every row of the table: where a volume is, and the one step that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    CreateDisk,
    DeleteDisk,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    NewEpoch,
    Refuse,
    Revoke,
    Wait,
)
from controller.model import (
    AttachmentState,
    BootId,
    Confirmation,
    DiskId,
    Epoch,
    EvidenceKind,
    FencePolicy,
    Intent,
    MountState,
    NodeId,
    NodeState,
    Operation,
    Phase,
    Policy,
    Power,
    Serial,
    Source,
    Spec,
    TaskId,
    VolumeKey,
    VolumeName,
    World,
)
from controller.placement import Placement
from controller.plan import placement, plan
from controller.steps import STEPS
from tests.unit.worlds import (
    CUTS,
    DISK,
    EPOCH,
    GUARDED,
    POLICY,
    V,
    claim,
    gate,
    grant,
    node,
    on,
    record,
    running,
    vm,
    world,
)

DOWN = NodeState.DOWN
OFF = {vm(1): Power.OFF}
ON = {vm(1): Power.ON}
DOWN_LONG = node(1, DOWN, down_for=60.0)
DOWN_NOW = node(1, DOWN, down_for=1.0)
REVOKED = record(grant(1), serial=2)
MOVED = claim(2, "t2")
CUTTING = replace(POLICY, capabilities=CUTS)


def act(w: World, policy: Policy = POLICY) -> Action:
    (action,) = (each for each in plan(w, policy) if each.volume == V)
    return action


def intent(operation: Operation, n: int, epoch: int = EPOCH) -> Intent:
    return Intent(operation, Epoch(epoch), vm(n))


def said_dead(boot: str) -> Confirmation:
    return Confirmation(NodeId("n1"), vm(1), BootId(boot), "pulled the plug", "ann")


ORIGINAL = DiskId("disk-original")
ORIGIN = record(name=VolumeName("original"), disk=ORIGINAL)
SOURCE = Source(ORIGIN.name, ORIGINAL, "uuid", "uuid")
COPY = record(phase=Phase.CREATING, disk=None, formatted=False, spec=Spec(1 << 30, source=SOURCE))
WANTS_COPY = record(
    name=VolumeName("z-copy"), phase=Phase.CREATING, disk=None,
    spec=Spec(1 << 30, source=Source(V, DISK, "uuid", "uuid")),
)  # fmt: skip


def copied(w: World) -> World:
    """And another volume is to begin as a copy of it."""
    return replace(w, volumes={**(w.volumes or {}), WANTS_COPY.name: WANTS_COPY})


TABLE = {
    "a task wants a volume that Docker has not made yet": (world(wanted=claim(1)), Placement.NO_RECORD, Wait),
    "two nodes want it": (
        world(volume=record(), wanted=claim(1, conflict="x")), Placement.CONFLICT, Refuse
    ),
    "removed, but a service wants it": (
        world(volume=record(phase=Phase.DELETING), wanted=claim(1)), Placement.DOOMED_CLAIMED, Refuse
    ),
    "a new volume has no disk": (
        world(volume=record(phase=Phase.CREATING, disk=None)), Placement.NO_DISK, CreateDisk
    ),
    "a new copy, and its source is attached nowhere": (
        world(volume=COPY, volumes={V: COPY, ORIGIN.name: ORIGIN}), Placement.NO_DISK, CreateDisk
    ),
    "a new copy, and its source is still attached": (
        world(replace(on(1), disk=ORIGINAL), volume=COPY), Placement.SOURCE_BUSY, Wait
    ),
    "a new copy whose call got no answer, and its source is attached": (
        world(replace(on(1), disk=ORIGINAL), volume=replace(COPY, intent=Intent(Operation.CREATE, EPOCH))),
        Placement.NO_DISK, CreateDisk,
    ),
    "a new copy whose call got no answer, and a service wants its source": (
        world(
            volume=replace(COPY, intent=Intent(Operation.CREATE, EPOCH)),
            volumes={V: replace(COPY, intent=Intent(Operation.CREATE, EPOCH)), ORIGIN.name: ORIGIN},
            claims={ORIGIN.name: claim(1)},
        ),
        Placement.SOURCE_BUSY, Wait,
    ),
    "a new copy, and its source has gone": (world(volume=COPY), Placement.NO_DISK, CreateDisk),
    "a copy that was removed while its creation was in doubt, and its source is attached": (
        world(
            replace(on(1), disk=ORIGINAL),
            volume=replace(COPY, phase=Phase.DELETING, intent=Intent(Operation.CREATE, EPOCH)),
        ),
        Placement.NO_DISK, CreateDisk,
    ),
    "removed while its creation was in doubt": (
        world(volume=record(phase=Phase.DELETING, disk=None, intent=Intent(Operation.CREATE, EPOCH))),
        Placement.NO_DISK, CreateDisk,
    ),
    "a record that says ready but has no disk": (
        world(volume=record(disk=None, formatted=False), wanted=claim(1)), Placement.NO_DISK, CreateDisk
    ),
    "a disk that was found, and whose record was not told that it is ready": (
        world(volume=record(phase=Phase.CREATING), wanted=claim(1)), Placement.NO_DISK, CreateDisk
    ),
    "removed before its disk was asked for": (
        world(volume=record(phase=Phase.DELETING, disk=None, formatted=False)), Placement.DOOMED, DeleteDisk
    ),
    "removed while its creation was refused": (
        world(volume=record(phase=Phase.DELETING, disk=None, intent=Intent(Operation.DELETE, EPOCH))),
        Placement.DOOMED, DeleteDisk,
    ),
    "a power-off was asked for": (
        world(on(1), volume=record(intent=intent(Operation.POWER_OFF, 1)), wanted=claim(1)),
        Placement.UNGRANTED, GrantMount,
    ),
    "the storage knows a newer leader": (
        world(on(1, 8), volume=record(), wanted=claim(1)), Placement.DEPOSED, Wait
    ),
    "the storage is still at work": (
        world(on(1, state=AttachmentState.UNCERTAIN), volume=record(), wanted=claim(1)), Placement.UNCERTAIN, Wait
    ),
    "the disk is on two VMs": (world(on(1), on(2), volume=record(), wanted=claim(1)), Placement.ON_MANY, Alarm),
    "our attach is in doubt": (
        world(volume=record(intent=intent(Operation.ATTACH, 1)), wanted=claim(1)), Placement.IN_DOUBT, NewEpoch
    ),
    "our detach is in doubt": (
        world(on(1), volume=record(intent=intent(Operation.DETACH, 1)), wanted=claim(2)), Placement.IN_DOUBT, NewEpoch
    ),
    "our detach got no answer, and the list agrees with it": (
        world(volume=record(intent=replace(intent(Operation.DETACH, 1), in_doubt=True)), wanted=claim(1)),
        Placement.IN_DOUBT, NewEpoch,
    ),
    "a dead leader's call got no answer": (
        world(volume=record(intent=replace(intent(Operation.DETACH, 1, 6), in_doubt=True)), wanted=claim(1)),
        Placement.NOWHERE, Attach,
    ),
    "a newer leader granted": (
        world(on(1), volume=record(replace(grant(2), epoch=Epoch(8))), wanted=claim(1)), Placement.DEPOSED, Wait
    ),
    "a newer leader has an intent": (
        world(on(1), volume=record(intent=intent(Operation.DETACH, 1, 8)), wanted=claim(1)), Placement.DEPOSED, Wait
    ),
    "our stamp is in doubt": (
        world(on(1, 6), volume=record(intent=intent(Operation.ATTACH, 1)), wanted=claim(1)),
        Placement.IN_DOUBT, NewEpoch,
    ),
    "a dead leader's attach never happened": (
        world(volume=record(intent=intent(Operation.ATTACH, 1, 6)), wanted=claim(1)), Placement.NOWHERE, Attach
    ),
    "our attach is confirmed by the list": (
        world(on(1), volume=record(intent=intent(Operation.ATTACH, 1)), wanted=claim(1)),
        Placement.UNGRANTED, GrantMount,
    ),
    "the node never said which VM it is": (
        world(volume=record(), wanted=claim(1), nodes=[node(1, vm=None)]), Placement.UNKNOWN_VM, Refuse
    ),
    "two ready nodes say they are the same VM": (
        world(volume=record(), wanted=claim(1), nodes=[node(2, vm=vm(1))]), Placement.UNKNOWN_VM, Refuse
    ),
    "the task moved and its old permission still counts": (
        world(on(1), volume=record(grant(1)), wanted=MOVED, gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.SUPERSEDED, Revoke,
    ),
    "nobody wants it any more and a permission is left": (
        world(on(1), volume=record(grant(1)), gates=[gate(1, MountState.MOUNTED, 1)]), Placement.SUPERSEDED, Revoke
    ),
    "the old gate has let it go": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.UNMOUNTED, 2)]),
        Placement.PROVEN, DropGrants,
    ),
    "the old container still runs on a ready node": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.MOUNTED, 1)]), Placement.HELD_READY, Wait
    ),
    "the old gate's word is older than the revocation": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.UNMOUNTED, 1)]), Placement.HELD_READY, Wait
    ),
    "the old gate is silent": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.UNMOUNTED, 2, age=41.0)]),
        Placement.HELD_SILENT, Wait,
    ),
    "Swarm changed its leader and is unsure about the node": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[node(1, NodeState.UNKNOWN, down_for=60.0)], power=ON),
        Placement.HELD_UNCLEAR, Wait,
    ),
    "the node is down within the grace": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_NOW], power=ON), Placement.HELD_GRACE, Wait
    ),
    "the node is down and its VM is seen off, within the grace": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_NOW], power=OFF), Placement.PROVEN, DropGrants
    ),
    "the VM is seen off before its permission was revoked": (
        world(on(1), volume=record(grant(1)), wanted=MOVED, nodes=[DOWN_NOW], power=OFF), Placement.PROVEN, DropGrants
    ),
    "the node is down for long and its VM runs": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], power=ON), Placement.HELD_RUNNING, Fence
    ),
    "the node is down for long and its VM is not seen": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG]), Placement.HELD_UNSEEN, Alarm
    ),
    "the hypervisor could not be read": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], power=None), Placement.HELD_UNSEEN, Alarm
    ),
    "the node is down for long, its VM runs, and nobody wants the volume": (
        world(on(1), volume=REVOKED, nodes=[DOWN_LONG], power=ON), Placement.HELD_IDLE, Wait
    ),
    "the target died during the failover": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG, node(2, DOWN)], power=ON),
        Placement.HELD_IDLE, Wait,
    ),
    "the node came back in a new boot with an old permission": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[node(1, boot=BootId("b9"))],
              gates=[gate(1, boot=BootId("b9"))]),
        Placement.PROVEN, DropGrants,
    ),
    "the same node came back in a new boot, and keeps the task": (
        world(on(1), volume=record(grant(1)), wanted=claim(1), nodes=[node(1, boot=BootId("b9"))],
              gates=[gate(1, boot=BootId("b9"))]),
        Placement.PROVEN, DropGrants,
    ),
    "a gate's word of another boot that the node's record does not know": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, boot=BootId("b0"))]), Placement.HELD_SILENT, Wait
    ),
    "a person confirmed that this boot is dead": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], confirmations=(said_dead("b1"),)),
        Placement.PROVEN, DropGrants,
    ),
    "a person confirmed an earlier boot": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG], confirmations=(said_dead("b0"),)),
        Placement.HELD_UNSEEN, Alarm,
    ),
    "a person confirmed a node that Swarm sees ready": (
        world(on(1), volume=REVOKED, wanted=MOVED, confirmations=(said_dead("b1"),)), Placement.HELD_READY, Wait
    ),
    "removed, still attached": (
        world(on(1), volume=record(phase=Phase.DELETING)), Placement.DOOMED_ATTACHED, Detach
    ),
    "removed, attached nowhere": (world(volume=record(phase=Phase.DELETING)), Placement.DOOMED, DeleteDisk),
    "removed, its node is down and its VM runs": (
        world(on(1), volume=replace(REVOKED, phase=Phase.DELETING), nodes=[DOWN_LONG], power=ON),
        Placement.HELD_RUNNING, Fence,
    ),
    "its VM is seen off and nobody claims it yet": (
        world(on(1), volume=record(), nodes=[DOWN_NOW], power=OFF), Placement.OFF, Detach
    ),
    "its VM is seen off while Swarm still has the task there": (
        world(on(1), volume=record(), wanted=claim(1), power=OFF), Placement.OFF, Detach
    ),
    "its VM is seen off while the task there is granted": (
        world(on(1), volume=record(grant(1)), wanted=claim(1), power=OFF), Placement.PROVEN, DropGrants
    ),
    "nobody wants it, its node is ready": (world(on(1), volume=record()), Placement.IDLE, Converged),
    "nobody wants it, and it is to be copied": (copied(world(on(1), volume=record())), Placement.LENT, Detach),
    "nobody wants it, it is to be copied, and the gate there says mounted": (
        copied(world(on(1), volume=record(), gates=[gate(1, MountState.MOUNTED)])), Placement.HELD_READY, Wait
    ),
    "it is to be copied, and is attached nowhere": (copied(world(volume=record())), Placement.IDLE, Converged),
    "it is to be copied, and its task is not placed yet": (
        copied(world(on(1), volume=record(), wanted=claim(None))), Placement.IDLE, Wait
    ),
    "it is to be copied, and a task wants it elsewhere": (
        copied(world(on(1), volume=record(), wanted=MOVED)), Placement.ELSEWHERE, Detach
    ),
    "it is to be copied, and a task wants it": (
        copied(world(volume=record(), wanted=claim(1))), Placement.NOWHERE, Attach
    ),
    "its task is not placed yet": (world(on(1), volume=record(), wanted=claim(None)), Placement.IDLE, Wait),
    "its task is on a node that was removed": (world(volume=record(), wanted=claim(9)), Placement.IDLE, Wait),
    "its task is on a node that is not ready": (
        world(volume=record(), wanted=claim(1), nodes=[DOWN_NOW]), Placement.TARGET_AWAY, Wait
    ),
    "held by nobody, on another VM": (world(on(1), volume=record(), wanted=MOVED), Placement.ELSEWHERE, Detach),
    "without a permission, but the gate there says mounted": (
        world(on(1), volume=record(), wanted=MOVED, gates=[gate(1, MountState.MOUNTED, 1)]), Placement.HELD_READY, Wait
    ),
    "attached nowhere": (world(volume=record(), wanted=claim(1)), Placement.NOWHERE, Attach),
    "on the target, whose gate is silent": (
        world(on(1), volume=record(), wanted=claim(1), gates=[gate(1, age=41.0)]), Placement.TARGET_SILENT, Wait
    ),
    "on the target, whose gate speaks for another node ID": (
        world(on(1), volume=record(), wanted=claim(1), gates=[gate(1, node=NodeId("old"))]),
        Placement.TARGET_SILENT, Wait,
    ),
    "on the target under an older leader's stamp": (
        world(on(1, 6), volume=record(), wanted=claim(1)), Placement.UNSTAMPED, Attach
    ),
    "on the target without a permission": (
        world(on(1), volume=record(), wanted=claim(1)), Placement.UNGRANTED, GrantMount
    ),
    "a second service on the same node": (
        world(on(1), volume=record(grant(1)), wanted=claim(1, "t9", "t1")), Placement.UNGRANTED, GrantMount
    ),
    "the claim came back before the old permission was dropped": (
        world(on(1), volume=REVOKED, wanted=claim(1), gates=[gate(1, MountState.UNMOUNTED, 2)]),
        Placement.UNGRANTED, GrantMount,
    ),
    "Docker mounts a second time for the same task": (
        world(on(1), volume=record(grant(1)), wanted=claim(1), gates=[gate(1, MountState.UNMOUNTED, 1)]),
        Placement.UNGRANTED, GrantMount,
    ),
    "the container of a task that was running has ended": (
        world(on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[gate(1, MountState.UNMOUNTED, 1)]),
        Placement.LET_GO, Wait,
    ),
    "one container of two has ended, the other holds the volume": (
        world(
            on(1), volume=record(grant(1), grant(1, "t2", 2)), wanted=running(claim(1, "t2", "t1")),
            gates=[gate(1, MountState.MOUNTED, 2)],
        ),
        Placement.SETTLED, Converged,
    ),
    "a task runs without a permission, which an old backup forgot": (
        world(on(1), volume=record(), wanted=running(claim(1)), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.UNGRANTED, GrantMount,
    ),
    "a task runs on a permission that was taken back": (
        world(on(1), volume=REVOKED, wanted=running(claim(1)), gates=[gate(1, MountState.UNMOUNTED, 2)]),
        Placement.UNGRANTED, GrantMount,
    ),
    "granted and mounted": (
        world(on(1), volume=record(grant(1)), wanted=claim(1), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.SETTLED, Converged,
    ),
    "granted, and an older leader's stamp does no harm": (
        world(on(1, 6), volume=record(grant(1)), wanted=claim(1), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.SETTLED, Converged,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("w", "where", "step"), TABLE.values(), ids=TABLE.keys())
def test_each_situation_has_its_place_and_its_step(w: World, where: Placement, step: type[Action]) -> None:
    """Each situation is recognised, and exactly one step of the right kind follows for its volume."""
    actions = plan(w, POLICY)

    assert [type(a) for a in actions if a.volume == V] == [step]
    assert sorted(a.volume for a in actions) == sorted({*(w.volumes or {}), *(w.claims or {})})
    assert placement(w, POLICY, V) is where


def test_the_table_is_total() -> None:
    """Every placement has a step, so that no situation can be without an answer."""
    assert set(STEPS) == set(Placement)


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
    action = act(w, CUTTING)

    assert isinstance(action, DropGrants)
    assert (action.evidence.kind, action.evidence.vm, action.grants) == (kind, vm(1), REVOKED.grants)


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
    action = act(world(on(1), volume=volume, wanted=claim(1, "new", "kept")))

    assert action == GrantMount(
        V, TaskId("new"), NodeId("n1"), vm(1), BootId("b1"), Serial(5), supersedes=(grant(1, "gone", 3),)
    )


def test_a_grant_is_above_what_the_gate_knows() -> None:
    """With records from a backup the gate may have met later serials; a grant below them would be refused for ever."""
    action = act(world(on(1), volume=record(), wanted=claim(1), gates=[gate(1, MountState.UNMOUNTED, 41)]))

    assert isinstance(action, GrantMount)
    assert action.serial == 42


def test_the_grace_is_waited_to_its_end_and_no_longer() -> None:
    """Within the grace the wait says for how long; at its end the fence acts."""
    before = act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=[node(1, DOWN, down_for=9.0)], power=ON))
    after = act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=[node(1, DOWN, down_for=10.0)], power=ON))

    assert isinstance(before, Wait)
    assert before.until == 1.0
    assert isinstance(after, Fence)


def test_a_node_removed_from_the_swarm_is_fenced_without_a_grace() -> None:
    """After `docker node rm` no heartbeat can come back, but its VM may still run."""
    w = world(on(1), volume=REVOKED, wanted=MOVED, power=ON)
    w = replace(w, nodes={k: n for k, n in (w.nodes or {}).items() if k != "n1"}, gates={})

    assert isinstance(act(w), Fence)


def test_a_rejoined_node_is_its_vm_whatever_its_id() -> None:
    """A node that left and rejoined in the same boot gives the volume up by its VM's gate, under its new ID."""
    rejoined = replace(node(1), id=NodeId("n1-new"))
    w = world(
        on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_LONG, rejoined],
        gates=[gate(1, MountState.UNMOUNTED, 2, node=NodeId("n1-new"))],
    )  # fmt: skip

    assert isinstance(act(w), DropGrants)


def test_a_storm_fences_nobody_but_uses_evidence() -> None:
    """With most nodes not ready at once nothing is forced; a VM seen off is evidence all the same."""
    lost = [DOWN_LONG, node(3, DOWN, down_for=60.0)]
    running = act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=lost, power={vm(1): Power.ON, vm(3): Power.ON}))
    off = act(world(on(1), volume=REVOKED, wanted=MOVED, nodes=lost, power={vm(1): Power.OFF, vm(3): Power.ON}))

    assert isinstance(running, Alarm)
    assert "2 of 3 nodes" in running.why
    assert isinstance(off, DropGrants)


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

    first, second = plan(w, one)

    assert isinstance(first, Attach)
    assert isinstance(second, Refuse)
    assert "swarm01" in second.why


@pytest.mark.parametrize("part", ["nodes", "claims", "volumes", "attachments"])
def test_a_part_that_could_not_be_read_holds_every_volume(part: str) -> None:
    """Nothing is decided on half a picture; the reason of the reading is passed on."""
    w = replace(world(volume=record(), wanted=claim(1), unread=("vCenter does not answer",)), **{part: None})  # type: ignore[arg-type]
    (action,) = plan(w, POLICY)

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
