"""All faults by name, and which rounds a drill consists of."""

from __future__ import annotations

from deploy.drill.calls import SPOTS, spot
from deploy.drill.faults import (
    ControllerKill,
    Cut,
    DockerdRestart,
    Drain,
    Fault,
    Freeze,
    PowerOff,
    Restart,
    StackRemove,
    StorageAway,
)
from deploy.drill.ground import DrillError, DrillSettings
from deploy.drill.leaders import LeaderFreeze, LeaderKill, LeaderLost
from deploy.drill.machines import Hang, Return, Shutdown
from deploy.drill.rotation import PasswordChange, RotationCut
from deploy.drill.vcenter import HostLost, SessionEnd

FAULTS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (
        PowerOff,
        Freeze,
        Cut,
        Drain,
        Restart,
        DockerdRestart,
        ControllerKill,
        StorageAway,
        StackRemove,
        LeaderKill,
        LeaderFreeze,
        LeaderLost,
        HostLost,
        PasswordChange,
        RotationCut,
        SessionEnd,
        Shutdown,
        Hang,
        Return,
    )
}
VCENTER: frozenset[str] = frozenset(
    fault.name for fault in (StorageAway, HostLost, PasswordChange, RotationCut, SessionEnd)
)
"""Faults that need ``--storage vsphere``."""
STOPPING: dict[str, type[LeaderKill | LeaderFreeze]] = {LeaderKill.name: LeaderKill, LeaderFreeze.name: LeaderFreeze}
"""Faults that may name a step: ``leader-kill:before:detach``."""
ONLY_MACHINES = (Shutdown.name, Hang.name, Return.name)
ON_MACHINES = (PowerOff.name, *ONLY_MACHINES, Drain.name, Restart.name, DockerdRestart.name)
"""What the lab of virtual machines can break; its policy detaches from a machine that hangs or is cut off."""


def make_fault(name: str) -> Fault:
    """Raises DrillError with the names there are."""
    plain, _, step = name.partition(":")
    if step and plain in STOPPING:
        return STOPPING[plain](spot=spot(step))
    if name not in FAULTS:
        raise DrillError(f"there is no fault {name!r}; choose one of {', '.join(sorted(FAULTS))}")
    return FAULTS[name]()


def needs_trap(name: str) -> bool:
    return name.partition(":")[0] in {*STOPPING, LeaderLost.name}


def rounds(settings: DrillSettings) -> tuple[str, ...]:
    """The faults of all rounds, in order."""
    if settings.all_steps:
        return tuple(f"{settings.fault}:{each}" for each in SPOTS) * settings.repeat
    once = (PowerOff.name, Return.name) if settings.fault == Return.name else (settings.fault,)
    return once * settings.repeat
