"""
Copying a disk that a running VM has, as it is at one instant: QEMU copies each part before the guest writes over it.

The job is the VM's: it ends with the VM, and with whoever takes the disk away (`reconfigure`). It goes on without the
one who began it; whoever wants the same copy next ends it, and begins anew. A VM has one such job at a time.
"""

from __future__ import annotations

import asyncio
import posixpath
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from controller.model import DiskId, VolumeKey
from drivers.base import CreateOutcome, Refused
from drivers.libvirt.client import Host
from drivers.libvirt.decide import Look, attachments
from drivers.libvirt.growing import Resize, to_resize
from drivers.libvirt.looking.pools import PREFIX
from drivers.libvirt.stores import CopyOf
from drivers.shared.faults import CallError
from drivers.shared.outcomes import not_begun

T = TypeVar("T")
_PAUSE = 2.0  # seconds after which whoever wants a snapshot asks again
_POLL = 0.5
_SLACK = 1.0  # seconds, of two clocks


def running_with(look: Look, disk: DiskId) -> Resize | Refused | None:
    """The device of a running VM that is this disk; None where no VM has it."""
    at = to_resize(look, disk)
    if at is None and any(each.disk == disk for each in attachments(look)):
        return Refused(f"{disk} is attached to a VM that does not run", _PAUSE)
    return at


Making = Callable[[VolumeKey, int, DiskId, CopyOf], Awaitable[CreateOutcome]]


class Run(Protocol):
    """Runs a blocking call on the host of this index."""

    async def __call__(self, host: int, act: Callable[[], T]) -> T: ...


class LiveCopier:
    """``live``: the store's, which makes the file that is filled here."""

    def __init__(self, hosts: Sequence[Host], run: Run, look: Callable[[], Awaitable[Look]], live: Making) -> None:
        self._hosts = hosts
        self._run = run
        self._look = look
        self._live = live

    async def snapshot(self, key: VolumeKey, size: int, source: DiskId, *, at_rest: bool) -> CreateOutcome | None:
        """None: no VM has the disk, and ``at_rest`` it may be copied, too."""
        try:
            at = running_with(await self._look(), source)
        except CallError as error:
            return not_begun(error)
        if at is None and not at_rest:
            return Refused(f"no VM has {source}", _PAUSE)
        return await self._live(key, size, source, partial(self.copy, at)) if isinstance(at, Resize) else at

    async def copy(self, at: Resize, file: DiskId) -> str | None:
        """
        From that device to a file that is there; why it is not whole, or None.

        May raise `NotSent`, `Doubt` or `Fault`: then, too, the file is not whole.
        """
        host, vm = self._hosts[at.host], at.vm
        under_way = await self._run(at.host, partial(host.backups, vm))
        if under_way and file not in under_way.values():
            return f"the VM {vm} copies another disk just now ({', '.join(under_way)}), and does so one at a time"
        if under_way:
            await self._run(at.host, partial(host.end_backup, vm))
        extension = posixpath.splitext(file)[1][1:]
        began = seen = await self._run(at.host, lambda: _begun(host, at, file, extension))
        while (asked := await self._run(at.host, lambda: _lasts(host, at, file))) is not None:
            seen = asked
            await asyncio.sleep(_POLL)
        # libvirt calls the job ended before QEMU has closed the file, and so written the rest of a qcow2. What asks
        # for the VM itself waits until that is over (seen with libvirt 9.0).
        await self._run(at.host, partial(host.shown_bytes, vm, at.target))
        whole = await self._run(at.host, partial(host.backup_is_whole, vm, seen - began - _SLACK))
        return None if whole else f"the copy of {at.target} of the VM {vm} was ended before its end"


def _begun(host: Host, at: Resize, file: DiskId, extension: str) -> float:
    """When it surely had, by our clock. In the thread: what comes out of it may be seen much later."""
    host.begin_backup(at.vm, at.target, file, extension)
    return time.monotonic()


def _lasts(host: Host, at: Resize, file: DiskId) -> float | None:
    """When it was asked, if the device is still being copied to that file."""
    asked = time.monotonic()
    return asked if host.backups(at.vm).get(at.target) == file else None


def is_snapshot(file: str) -> bool:
    """Whether a copy to this file is one of ours."""
    return posixpath.basename(file).startswith(f"{PREFIX}snap-")
