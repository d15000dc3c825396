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
            try:
                await _look(vm, machine, living, locks[vm], tell)
            except OSError as error:  # no file descriptor left, such: nothing is known, and the next look may know more
                log.warning("machine.unseen", node=machine.node.name, why=str(error))
        await asyncio.sleep(_PERIOD)


async def _look(
    vm: str, machine: Machine, living: dict[str, int], lock: asyncio.Lock, tell: Callable[[str], None]
) -> None:
    if vm not in living:
        init = await asyncio.to_thread(machine.init)
        if init is not None:
            living[vm] = init
    elif processes.state(living[vm]) in {None, "Z", "X"}:
        del living[vm]
        async with lock:
            await _tidy(machine)
        tell(vm)


async def _tidy(machine: Machine) -> None:
    if await asyncio.to_thread(machine.init) is not None:
        return  # somebody switched it off and on again since
    log.info("machine.dead", node=machine.node.name, why="its first process ended")
    try:
        await asyncio.to_thread(machine.power_off)
    except LabError as error:
        log.warning("machine.untidy", node=machine.node.name, why=str(error))
