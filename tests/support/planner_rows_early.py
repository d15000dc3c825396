"""Situations in which nobody asks yet where the disk goes: the volume's life, what is uncertain, and who holds it."""

from __future__ import annotations

from dataclasses import replace

from controller.model import (
    AttachmentState,
    Epoch,
    Intent,
    MountState,
    NodeState,
    Operation,
    Phase,
)
from controller.planner.actions import (
    Alarm,
    Attach,
    CreateDisk,
    DeleteDisk,
    Detach,
    GrantMount,
    NewEpoch,
    Refuse,
    Revoke,
    Wait,
)
from controller.planner.placement import Placement
from tests.support.plans import (
    CLOSED,
    COPY,
    MOVED,
    ON,
    ORIGIN,
    ORIGINAL,
    RESTING,
    REVOKED,
    SUFFERS,
    intent,
)
from tests.support.worlds import (
    DISK,
    EPOCH,
    V,
    claim,
    gate,
    grant,
    node,
    on,
    record,
    said_of,
    vm,
    world,
)

CHECKS = replace(said_of(MountState.MOUNTED, 2, (0,), floor=2), problem="a program still has the disk 8:16")
CHECKED = gate(1, volumes={V: CHECKS})

EARLY = {
    "a person has paused the volume": (
        world(volume=record(), wanted=claim(1), paused_parts=(RESTING,)), Placement.PAUSED, Wait
    ),
    "a person has paused the node that is to get it": (
        world(volume=record(), wanted=claim(2), paused_parts=(CLOSED,)), Placement.PAUSED, Wait
    ),
    "its disk may be on a host that cannot be read": (
        world(volume=record(), wanted=claim(1), unlisted=("host b is away",)), Placement.UNLISTED, Wait
    ),
    "another host cannot be read, its own disk is seen": (
        world(on(1), volume=record(), wanted=claim(1), unlisted=("host b is away",)), Placement.UNGRANTED, GrantMount
    ),
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
    "the storage says what is wrong with the disk": (
        world(
            on(1, state=AttachmentState.UNCERTAIN), volume=record(), wanted=claim(1), odd={DISK: "it was moved"}
        ), Placement.UNCERTAIN, Alarm
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
        Placement.PROVEN, Detach,
    ),
    "the old container still runs on a ready node": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, MountState.MOUNTED, 1)]), Placement.HELD_READY, Wait
    ),
    "the old container runs on a disk that does not answer": (
        world(on(1), volume=REVOKED, wanted=MOVED, gates=[gate(1, volumes={V: SUFFERS})]), Placement.HELD_READY, Alarm
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
    "a check that outlived its gate has the disk": (
        world(on(1), volume=REVOKED, wanted=claim(1, "t2"), gates=[CHECKED]), Placement.PREDECESSOR, Wait
    ),
}  # fmt: skip
