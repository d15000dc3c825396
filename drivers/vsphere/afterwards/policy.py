"""
A storage policy on disks that are attached.

Whether a datastore keeps the policy with which a disk's file was made is not known of all of them; a device's policy is
what vCenter shows and checks. It is given after the attach, in a call of its own, and whatever comes of that is only
told: a failover must not wait for the policy service, nor fail for a policy that does not fit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
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

    async def policy(self, name: str) -> str: ...

    async def without_policy(self, ref: str, disks: Sequence[Disk], policy: str) -> tuple[Disk, ...]: ...

    async def reconfigure(self, change: Change) -> None: ...

    async def vm(self, ref: str) -> Vm: ...


async def give_policies(
    calls: Calls, vms: Sequence[Vm], place: Place, wanted: Mapping[DiskId, str], vm: VmId, epoch: Epoch
) -> None:
    """``wanted``: the name of the policy of each disk; they are attached to ``vm`` now."""
    found = find(vms, vm)
    if isinstance(found, str):
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            for name in sorted({*wanted.values()}):
                disks = [disk for disk, each in wanted.items() if each == name]
                try:
                    await _give(calls, found.ref, place, disks, name, decide.stamps(vm, epoch))
                except CallError as error:
                    log.warning("policy.not_given", vm=found.name, disks=disks, policy=name, why=str(error))
        return
    log.warning("policy.not_given", vm=found.name, disks=list(wanted), why="no answer in time")


async def _give(
    calls: Calls, ref: str, place: Place, disks: Sequence[DiskId], name: str, stamps: tuple[tuple[str, str], ...]
) -> None:
    policy = await calls.policy(name)
    now = await calls.vm(ref)
    here = ours(now, place)
    lacking = await calls.without_policy(ref, [here[disk] for disk in disks if disk in here], policy)
    if lacking:
        await calls.reconfigure(Change(ref, now.change_version, stamps, policed=lacking, policy=policy))
        log.info("policy.given", vm=now.name, disks=[each.name for each in lacking])
