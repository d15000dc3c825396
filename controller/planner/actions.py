"""What the planner may ask for. Pure values: the executor turns each into one call, with an intent before it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from controller.model import (
    BootId,
    DiskId,
    Evidence,
    Grant,
    NodeId,
    Serial,
    TaskId,
    VmId,
    VolumeName,
)


class _Kind:
    """What an action is called, and whether nothing is to be done on it: said once a class, read by all."""

    __slots__ = ()
    kind: ClassVar[str]  # GrantMount -> "grant-mount": what `reberth status` and the log call it
    quiet: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


@dataclass(frozen=True, slots=True)
class CreateDisk(_Kind):
    """Make the volume's disk, or find the one made before. Phase.DELETING stays. ``why`` is said of a copy only."""

    volume: VolumeName
    why: str = ""


@dataclass(frozen=True, slots=True)
class DeleteDisk(_Kind):
    """Delete the disk (if there is one), then the record. Only for a volume in Phase.DELETING, attached nowhere."""

    volume: VolumeName


@dataclass(frozen=True, slots=True)
class Revoke(_Kind):
    """
    Take grants back: a new serial is written, the gate is told to refuse all up to it.

    Only the record is changed; that the gate has obeyed is seen in its next sync, or by other evidence.
    """

    volume: VolumeName
    why: str


@dataclass(frozen=True, slots=True)
class DropGrants(_Kind):
    """Remove grants from the record because evidence says that their holder cannot write any more."""

    volume: VolumeName
    grants: tuple[Grant, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Fence(_Kind):
    """Power a VM off. The next cycle reads whether it is off; the call's own answer proves nothing."""

    volume: VolumeName
    vm: VmId
    node: NodeId
    why: str


@dataclass(frozen=True, slots=True)
class Detach(_Kind):
    """
    Take the disk from a VM. ``evidence`` is None only where the detach itself is the fence
    (policy ``detach`` and a driver whose detach cuts I/O).

    ``drops``: grants that the same evidence ends. They leave the record in the write that the call's intent needs.
    """

    volume: VolumeName
    disk: DiskId
    vm: VmId
    evidence: Evidence | None
    why: str
    drops: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Attach(_Kind):
    """Give the disk to a VM; on a disk that is already there it stamps the epoch, which a grant needs."""

    volume: VolumeName
    disk: DiskId
    vm: VmId
    why: str


@dataclass(frozen=True, slots=True)
class GrantMount(_Kind):
    """
    Allow the task's Mount. ``serial`` is the record's next one.

    ``supersedes`` leaves the record in the same write: grants on the same VM and boot that are used up, revoked, or
    of tasks that are no longer wanted. Evidence is about a VM in a boot, so the new grant stands for them.
    """

    volume: VolumeName
    task: TaskId
    node: NodeId
    vm: VmId
    boot: BootId
    serial: Serial
    supersedes: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class NewEpoch(_Kind):
    """
    Take the next epoch although we act already: a call of ours is in doubt and may still happen.

    Its epoch is then lower than the stamp that comes before the next grant, so it is refused when it comes late.
    ``execute`` leaves an intent open only for Done (the list will agree) and InDoubt (and marks it ``in_doubt``);
    Refused and Unreachable remove it. One new epoch serves all volumes that ask in the same cycle.
    """

    volume: VolumeName
    why: str


@dataclass(frozen=True, slots=True)
class Wait(_Kind):
    """
    Nothing to do now. ``until`` is the number of seconds after which looking again makes sense by itself; ``counting``:
    something happens then, and people are told when. A wait that only became shorter is the same.
    ``cure``: what a person can do, where the table's row does not say it.
    """

    quiet = True
    volume: VolumeName
    why: str
    until: float | None = field(default=None, compare=False)
    counting: bool = False
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Refuse(_Kind):
    """Waiting cannot help: whoever mounts is told now, with the cure."""

    quiet = True
    volume: VolumeName
    why: str


@dataclass(frozen=True, slots=True)
class Alarm(_Kind):
    """A person has to look. Nothing is touched. ``final``: waiting cannot help, so whoever mounts is told now."""

    quiet = True
    volume: VolumeName
    why: str
    cure: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Converged(_Kind):
    """The volume is where it should be. ``starting``: nothing is left to do here, but its task does not run yet."""

    quiet = True
    volume: VolumeName
    why: str
    starting: bool = False


Action = (
    CreateDisk
    | DeleteDisk
    | Revoke
    | DropGrants
    | Fence
    | Detach
    | Attach
    | GrantMount
    | NewEpoch
    | Wait
    | Refuse
    | Alarm
    | Converged
)


def reason(action: Action) -> str:
    """An action in words, for people."""
    match action:
        case Alarm():
            return f"{action.why} {action.cure}" if action.why.endswith(".") else f"{action.why}: {action.cure}"
        case DropGrants():
            return action.evidence.text
        case Wait(counting=True, until=float(seconds)):
            return f"{action.why.removesuffix('.')}, in {seconds:.0f} s."
        case _:
            return str(getattr(action, "why", "")) or f"{action.kind} is under way"


def final(action: Action) -> bool:
    """Whether waiting cannot help: whoever mounts is told now."""
    return isinstance(action, Refuse) or (isinstance(action, Alarm) and action.final)
