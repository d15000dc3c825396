"""
A storage policy on disks that are attached.

Whether a datastore keeps the policy with which a disk's file was made is not known of all of them; a device's policy is
what vCenter shows and checks. It is given after the attach, in a call of its own, and whatever comes of that is only
told: a failover must not wait for the policy service, nor fail for a policy that does not fit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from controller.model import DiskId, Epoch, VmId
from drivers.shared.faults import CallError
from drivers.vsphere import decide
from drivers.vsphere.inventory import Disk, Place, Vm, find, ours
from drivers.vsphere.requests import Change

log = structlog.get_logger()
PATIENCE = 10.0  # seconds for all of it: the task waits meanwhile


class Calls(Protocol):
    """Each may raise `NotSent`, `Doubt` or `Fault`."""

    async def policy(self) -> str | None: ...

    async def without_policy(self, ref: str, disks: Sequence[Disk], policy: str) -> tuple[Disk, ...]: ...

    async def reconfigure(self, change: Change) -> None: ...

    async def vm(self, ref: str) -> Vm: ...


async def give_policy(
    calls: Calls, vms: Sequence[Vm], place: Place, disks: Sequence[DiskId], vm: VmId, epoch: Epoch
) -> None:
    """``disks`` are attached to ``vm`` now."""
    found = find(vms, vm)
    if isinstance(found, str) or not disks:
        return
    try:
        async with asyncio.timeout(PATIENCE):
            await _give(calls, found.ref, place, disks, decide.stamps(vm, epoch))
    except (CallError, TimeoutError) as error:
        log.warning("policy.not_given", vm=found.name, disks=list(disks), why=str(error) or "no answer in time")


async def _give(
    calls: Calls, ref: str, place: Place, disks: Sequence[DiskId], stamps: tuple[tuple[str, str], ...]
) -> None:
    policy = await calls.policy()
    if policy is None:
        return
    now = await calls.vm(ref)
    here = ours(now, place)
    lacking = await calls.without_policy(ref, [here[disk] for disk in disks if disk in here], policy)
    if lacking:
        await calls.reconfigure(Change(ref, now.change_version, stamps, policed=lacking, policy=policy))
        log.info("policy.given", vm=now.name, disks=[each.name for each in lacking])
