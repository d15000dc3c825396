"""Situations on the way to the target and on it."""

from __future__ import annotations

from dataclasses import replace

from controller.model import (
    BootId,
    MountState,
    NodeId,
    Phase,
    TaskId,
)
from controller.planner.actions import (
    Alarm,
    Attach,
    Converged,
    DeleteDisk,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    Revoke,
    Wait,
)
from controller.planner.placement import Placement
from tests.support.plans import (
    DOWN,
    DOWN_LONG,
    DOWN_NOW,
    MOVED,
    OFF,
    ON,
    REVOKED,
    SUFFERS,
    copied,
    said_dead,
)
from tests.support.worlds import (
    V,
    claim,
    gate,
    grant,
    node,
    on,
    record,
    running,
    said_of,
    twice,
    vm,
    world,
)

DRAINED = node(1, available=False)
UNSEEN = gate(1, volumes={V: replace(SUFFERS, suffers=False)})
STILL_THERE = gate(1, volumes={V: said_of(MountState.MOUNTED, 2, (1,), floor=2)})
LATE = {
    "the node is down within the grace": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_NOW], power=ON), Placement.HELD_GRACE, Wait
    ),
    "the node is down and its VM is seen off, within the grace": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[DOWN_NOW], power=OFF), Placement.PROVEN, Detach
    ),
    "the VM is seen off before its permission was revoked": (
        world(on(1), volume=record(grant(1)), wanted=MOVED, nodes=[DOWN_NOW], power=OFF), Placement.PROVEN, Detach
    ),
    "the node is down, and its gate was heard since": (
        world(on(1), volume=REVOKED, wanted=MOVED, nodes=[node(1, DOWN, down_for=20.0)], power=ON),
        Placement.HELD_ALIVE, Wait,
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
        Placement.PROVEN, Detach,
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
        Placement.PROVEN, Detach,
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
    "removed, and kept for a while": (
        world(volume=record(phase=Phase.DELETING, delete_at=3600.0), kept={V: 60.0}), Placement.KEPT, Wait
    ),
    "removed, kept for a while, and still attached": (
        world(on(1), volume=record(phase=Phase.DELETING, delete_at=3600.0), kept={V: 60.0}),
        Placement.DOOMED_ATTACHED, Detach,
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
        world(on(1), volume=record(grant(1)), wanted=claim(1), power=OFF), Placement.PROVEN, Detach
    ),
    "nobody wants it, its node is ready": (world(on(1), volume=record()), Placement.IDLE, Converged),
    "nobody wants it, and its node is drained": (
        world(on(1), volume=record(), nodes=[DRAINED]), Placement.LEAVING, Detach
    ),
    "its node is drained, and Swarm finds no node for its task": (
        world(on(1), volume=record(), nodes=[DRAINED], wanted=replace(claim(1), node=None)), Placement.LEAVING, Detach
    ),
    "nobody wants it, and the node on its VM was removed": (
        world(on(9), volume=record(place=vm(9))), Placement.LEAVING, Detach
    ),
    "nobody wants it, its node is drained, and the gate there says mounted": (
        world(on(1), volume=record(), nodes=[DRAINED], gates=[gate(1, MountState.MOUNTED)]), Placement.HELD_READY, Wait
    ),
    "a task wants it on its node, which is drained": (
        world(on(1), volume=record(), nodes=[DRAINED], wanted=claim(1)), Placement.UNGRANTED, GrantMount
    ),
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
    "a second service on the same node, where the first one has it mounted": (
        world(on(1), volume=record(grant(1)), wanted=claim(1, "t9", "t1"), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.UNGRANTED, GrantMount,
    ),
    "the next task is there, and the container of the last one runs": (
        world(on(1), volume=record(grant(1)), wanted=claim(1, "t2"), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.OUTDATED, Revoke,
    ),
    "the next task is there, and the last one may still mount": (
        world(on(1), volume=record(grant(1)), wanted=claim(1, "t2")), Placement.OUTDATED, Revoke
    ),
    "the last task's permission is taken back, and its gate has not said so": (
        world(on(1), volume=REVOKED, wanted=claim(1, "t2")), Placement.PREDECESSOR, Wait
    ),
    "the last task's permission is taken back, and its container runs": (
        world(on(1), volume=REVOKED, wanted=claim(1, "t2"), gates=[STILL_THERE]), Placement.PREDECESSOR, Wait
    ),
    "the last task's permission is used up": (
        world(on(1), volume=record(grant(1)), wanted=claim(1, "t2"), gates=[gate(1, MountState.UNMOUNTED, 1)]),
        Placement.UNGRANTED, GrantMount,
    ),
    "an earlier task's container runs, of which the record knows nothing": (
        world(on(1), volume=record(), wanted=claim(1, "t2"), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.PREDECESSOR, Wait,
    ),
    "a gate has forgotten whose mount it has, and a second service comes": (
        world(
            on(1), volume=record(grant(1)), wanted=claim(1, "t9", "t1"),
            gates=[gate(1, MountState.MOUNTED, 1, users=(0,))],
        ),
        Placement.PREDECESSOR, Wait,
    ),
    "of two services one has a new task, and its old container runs": (
        world(
            on(1), volume=record(grant(1), grant(1, "t2", 2), serial=3), wanted=claim(1, "t3", "t2"),
            gates=[gate(1, volumes={V: said_of(MountState.MOUNTED, 3, (1, 2), floor=3)})],
        ),
        Placement.PREDECESSOR, Wait,
    ),
    "of two services one has a new task, and its old container has ended": (
        world(
            on(1), volume=record(grant(1), grant(1, "t2", 2), serial=3), wanted=claim(1, "t3", "t2"),
            gates=[gate(1, volumes={V: said_of(MountState.MOUNTED, 3, (2,), floor=3)})],
        ),
        Placement.UNGRANTED, GrantMount,
    ),
    "a container of two mounts has one of them, and the permission for the other was taken back": (
        world(
            on(1), volume=record(grant(1), serial=2), wanted=twice(claim(1)),
            gates=[gate(1, volumes={V: said_of(MountState.MOUNTED, 2, (1,), floor=2)})],
        ),
        Placement.UNGRANTED, GrantMount,
    ),
    "a container has all its mounts, and its permission was taken back for another's sake": (
        world(on(1), volume=REVOKED, wanted=claim(1), gates=[STILL_THERE]), Placement.SETTLED, Converged
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
    "the container of a task that was running has ended, and it could not be mounted again": (
        world(
            on(1), volume=record(grant(1)), wanted=running(claim(1)),
            gates=[gate(1, volumes={V: replace(said_of(MountState.UNMOUNTED, 1), problem="no device came")})],
        ),
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
    "granted and mounted, and the gate finds that the disk does not answer": (
        world(on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[gate(1, volumes={V: SUFFERS})]),
        Placement.SETTLED, Alarm,
    ),
    "granted, and the gate does not know yet who has the disk": (
        world(on(1), volume=record(grant(1)), wanted=running(claim(1)), gates=[UNSEEN]), Placement.SETTLED, Wait
    ),
    "a task runs, and its gate has nothing mounted": (
        world(on(1), volume=record(grant(1)), wanted=running(claim(1)), running={TaskId("t1"): 60.0}),
        Placement.ASTRAY, Alarm,
    ),
    "granted, and an older leader's stamp does no harm": (
        world(on(1, 6), volume=record(grant(1)), wanted=claim(1), gates=[gate(1, MountState.MOUNTED, 1)]),
        Placement.SETTLED, Converged,
    ),
}  # fmt: skip
