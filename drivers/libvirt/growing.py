"""
Making a disk larger: by QEMU where a VM that runs has it, which then tells its guest; else the file itself.

libvirt makes no disk smaller by this: what is large enough already is left alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from controller.model import DiskId, VmId
from drivers.base import Done, InDoubt, Outcome, Refused
from drivers.libvirt.client import Host
from drivers.libvirt.decide import Look, moved_away
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import HeldDisk, Seat
from drivers.libvirt.looking.pools import Pools
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure, not_begun

T = TypeVar("T")
_Held = Sequence[tuple[Seat, HeldDisk]]


@dataclass(frozen=True, slots=True)
class Resize:
    """The device of a running VM that is to become larger."""

    host: int
    vm: VmId
    target: str


def to_resize(look: Look, disk: DiskId) -> Resize | Refused | None:
    """None: no running VM has it."""
    if (why := look.pools.refusal(disk) or moved_away(look, disk)) is not None:
        return Refused(why)
    held = [(seat, device) for seat in look.seats for device in seat.holds(look.pools).get(disk, ())]
    live = [(seat, device) for seat, device in held if seat.live is not None and device in seat.live.disks]
    if (refused := _known_to_more(held, live, disk)) is not None:
        return refused
    return Resize(live[0][0].host, live[0][0].vm, live[0][1].target) if live else None


def _known_to_more(held: _Held, live: _Held, disk: DiskId) -> Refused | None:
    """Why not, where its size is known to more than the one who would change it."""
    for seat, device in held:
        if seat.saved is not None:
            return Refused(f"the VM {seat.name} is saved, and its memory knows the disk's size: start it first")
        if device.files[0] != disk:
            return Refused(f"{disk} is under a snapshot of the VM {seat.name}: delete the snapshot first")
    if len({seat.host for seat, _ in live}) > 1:
        return Refused(f"the VM {live[0][0].name} is on several hosts just now: try again when it has arrived", 5.0)
    return None


class Run(Protocol):
    """Runs a blocking call on the host of this index."""

    async def __call__(self, host: int, act: Callable[[], T]) -> T: ...


class Enlarger:
    """
    ``file``: of a disk that no VM has, in one of these pools. ``look``: of the hosts that answer; ``whole``: raises
    where one does not.
    """

    def __init__(
        self,
        hosts: list[Host],
        file: Callable[[Pools, DiskId, int], Awaitable[Outcome]],
        run: Run,
        look: Callable[[], Awaitable[Look]],
        whole: Callable[[], Awaitable[Look]],
    ) -> None:
        self._hosts = hosts
        self._file = file
        self._run = run
        self._look = look
        self._whole = whole

    async def grow(self, disk: DiskId, size: int) -> Outcome:
        try:
            look = await self._look()
            step = to_resize(look, disk)
            if step is None:
                look = await self._whole()
                step = to_resize(look, disk)
        except CallError as error:
            return not_begun(error)
        if isinstance(step, Refused):
            return step
        try:
            return await (self._file(look.pools, disk, size) if step is None else self._live(step, size))
        except Fault as fault:
            return Refused(f"there is no disk {disk}") if fault.kind is Kind.NO_VOLUME else failure(fault)
        except CallError as error:
            return failure(error)

    async def _live(self, step: Resize, size: int) -> Outcome:
        host = self._hosts[step.host]
        if await self._run(step.host, partial(host.shown_bytes, step.vm, step.target)) < size:
            await self._run(step.host, partial(host.resize, step.vm, step.target, size))
        return _read_back(await self._run(step.host, partial(host.shown_bytes, step.vm, step.target)), size)


def _read_back(have: int, size: int) -> Outcome:
    return Done() if have >= size else InDoubt(f"the disk still has {have} bytes, not {size}")
