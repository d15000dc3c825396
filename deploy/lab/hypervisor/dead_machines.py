"""A machine may die without being asked to, as when its first process crashes. It is tidied as one switched off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from deploy.lab.hypervisor.machine import Machine
from deploy.lab.kernel import processes
from deploy.lab.names import LabError

log = structlog.get_logger()
_PERIOD = 0.5  # seconds; each look reads one file of each machine that is on


async def tidy_the_dead(
    machines: Mapping[str, Machine], locks: Mapping[str, asyncio.Lock], tell: Callable[[str], None]
) -> None:
    """For ever. ``tell`` is called with the VM when it was found dead and is tidied."""
    living: dict[str, int] = {}
    while True:
        for vm, machine in machines.items():
            if vm not in living:
                init = await asyncio.to_thread(machine.init)
                if init is not None:
                    living[vm] = init
            elif processes.state(living[vm]) in {None, "Z", "X"}:
                del living[vm]
                async with locks[vm]:
                    await _tidy(machine)
                tell(vm)
        await asyncio.sleep(_PERIOD)


async def _tidy(machine: Machine) -> None:
    if await asyncio.to_thread(machine.init) is not None:
        return  # somebody switched it off and on again since
    try:
        await asyncio.to_thread(machine.power_off)
    except LabError as error:
        log.warning("machine.untidy", node=machine.node.name, why=str(error))
