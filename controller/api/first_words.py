"""
What the hypervisor says of a VM when a node names it for the first time: whether it is on, and where its guest is.

A whole swarm may do so at once. So what is asked of the hypervisor at one time is asked together, one call after the
other, and nobody waits for it longer than `WORD_SECONDS`: what is not known by then is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Never, TypeVar

import structlog

from controller.model import NodeId, Power, VmId
from drivers.base import DriverError, PowerDriver
from drivers.guests import GuestAddresses, Located

WORD_SECONDS = 2.0  # for the hypervisor's word
MOST = 200  # VMs in one call: vCenter's simulator tells of so many in less than half a second
KEPT_SECONDS = 10.0  # for which a node that names the same VM again hears the same

NOTHING = GuestAddresses((), whole=False)

_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the hypervisor says of a VM."""

    off: bool = False
    guest: GuestAddresses = NOTHING


class _Round(Generic[T]):
    def __init__(self) -> None:
        self.vms: set[VmId] = set()
        self.answer: Mapping[VmId, T] | None = None


class Together(Generic[T]):
    """Questions about single VMs: whoever comes while one call is under way shares the next one."""

    def __init__(self, ask: Callable[[Sequence[VmId]], Awaitable[Mapping[VmId, T]]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._next = _Round[T]()

    async def of(self, vm: VmId) -> T | None:
        """None: it is not known, or not in time."""
        if len(self._next.vms) >= MOST:
            self._next = _Round()
        mine = self._next
        mine.vms.add(vm)
        try:
            async with asyncio.timeout(WORD_SECONDS), self._turn:
                if mine.answer is None:
                    await self._run(mine)
        except TimeoutError:
            return None
        return None if mine.answer is None else mine.answer.get(vm)

    async def _run(self, mine: _Round[T]) -> None:
        if self._next is mine:
            self._next = _Round()
        try:
            mine.answer = await self._ask(sorted(mine.vms))
        except DriverError:
            mine.answer = {}
        except Exception:  # noqa: BLE001 -- a driver's bug: as unknown as what could not be read, and told
            _log.exception("internal.error", why="the hypervisor could not be asked about VMs that nodes name")
            mine.answer = {}


class FirstWords:
    """``located``: None where addresses are not asked for (Policy.node_addresses), or the driver knows none."""

    def __init__(self, clock: Callable[[], float], power: PowerDriver | None, located: Located | None) -> None:
        self._clock = clock
        self._power = Together[Power](_nothing if power is None else power.power)
        self._located = Together[GuestAddresses](_nothing if located is None else located.addresses)
        self._known: dict[NodeId, tuple[float, VmId, Seen]] = {}

    async def of(self, node: NodeId, vm: VmId) -> Seen:
        until, named, seen = self._known.get(node, (0.0, None, Seen()))
        if named == vm and self._clock() < until:
            return seen
        async with asyncio.TaskGroup() as group:
            power, guest = group.create_task(self._power.of(vm)), group.create_task(self._located.of(vm))
        seen = Seen(power.result() is Power.OFF, guest.result() or NOTHING)
        self._known = {name: each for name, each in self._known.items() if each[0] > self._clock()}
        if seen != Seen():  # else the next word may know more
            self._known[node] = self._clock() + KEPT_SECONDS, vm, seen
        return seen


async def _nothing(_vms: Sequence[VmId]) -> Mapping[VmId, Never]:
    return {}
