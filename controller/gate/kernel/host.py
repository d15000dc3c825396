"""The border between the gate and the node's kernel: tests that are not about the kernel put a fake in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from controller.gate.kernel import filesystem, growth, subprocesses
from controller.gate.kernel.block_devices import BlockDevices
from controller.gate.kernel.connecting.connector import Connecting, Connector, Word
from controller.gate.kernel.connecting.keys import KeyRegistrar
from controller.gate.kernel.device import BY_ID, Device, in_use
from controller.gate.kernel.disk_check import Wanted
from controller.gate.kernel.filesystem import Proceed, Say
from controller.gate.kernel.handout import Nameplate, Owner
from controller.gate.kernel.mount_table import Mount, MountTable
from controller.gate.kernel.strays import labelled_in_use
from controller.gate.kernel.subprocesses import Questions, Watch, signs_of
from controller.model import Connection, ConnectKind

T = TypeVar("T")


class InThread(Protocol):
    async def __call__(self, work: Callable[[], T]) -> T:
        """Run a call that may hang on a sick disk; see `subprocesses.in_thread`."""
        ...


class Host(Protocol):
    """Where a disk has to answer, Stalled is raised if it does not for long; see `subprocesses.Questions`."""

    async def in_thread(self, work: Callable[[], T]) -> T: ...

    async def find(self, names: Sequence[str]) -> Device | None:
        """The first of these under /dev/disk/by-id that is a disk with a size. Raises NotABlockDevice, OSError."""
        ...

    async def close(self, device: Device) -> None:
        """The last one that closes a disk waits until what was written to it is there. Raises nothing."""
        ...

    def watched(self, device: Device, say: Say, suffer: Callable[[str | None], None]) -> AbstractContextManager[Say]:
        """What is told there reaches ``say``, and whether the disk answers meanwhile; see `subprocesses.Watch`."""
        ...

    async def prepare(self, device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None: ...

    def mounted(self) -> Mapping[Path, Mount]: ...

    async def mount(
        self, device: str, fstype: str, target: Path, *, twin: bool, options: Sequence[str] = ()
    ) -> None: ...

    async def turn_read_only(self, target: Path) -> None: ...

    async def dress(self, target: Path, plate: Nameplate, epoch: int, owner: Owner) -> Path: ...

    async def nameplate(self, target: Path) -> Nameplate | None: ...

    async def shut_down(self, target: Path) -> bool:
        """Whether the file system that is mounted there refuses all work after an error."""
        ...

    async def usage(self, target: Path) -> tuple[int, int] | None:
        """Bytes that are used and available on the file system mounted there; None where that cannot be told."""
        ...

    async def trim(self, target: Path, start: int, length: int) -> int | None:
        """
        Give back what is free in this part of the file system that is mounted there: bytes. None beyond its end, and
        where the disk takes no discards.
        """
        ...

    async def fit(self, mount: Mount, fitted: int) -> int:
        """See `growth.fit`."""
        ...

    async def flush(self, target: Path) -> None: ...

    async def unmount(self, target: Path, *, lazy: bool = False) -> None: ...

    async def in_use(self, number: str) -> bool: ...

    async def busy(self, number: str) -> bool:
        """Whether a program has the disk, and no file system; see `device.busy`."""
        ...

    async def labelled_in_use(self) -> frozenset[str]:
        """See `strays`."""
        ...

    async def gone(self, number: str) -> bool: ...

    async def sickness(self, number: str) -> str | None: ...

    async def identity(self, number: str) -> str | None:
        """What tells a SCSI disk from all others; None for other disks, and for one that is gone."""
        ...

    async def remove(self, number: str) -> bool: ...

    async def rescue(self, names: Sequence[str]) -> None:
        """Look again for disks that the storage has attached, and bring back those that the kernel gave up."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of connections that can be made here (`ConnectKind`)."""
        ...

    def carry_out(self, what: Connection, *, undo: bool) -> asyncio.Future[Word]:
        """See `connecting.connector`. Under way from now on; raises nothing before it is awaited."""
        ...


CONNECTORS: Mapping[ConnectKind, Connector] = {ConnectKind.REGISTER_KEY: KeyRegistrar()}


class KernelHost(BlockDevices, MountTable, Connecting):
    """The real one. ``root`` is where volumes are mounted: the plugin's propagated mount."""

    in_thread = staticmethod(subprocesses.in_thread)
    fit = staticmethod(growth.fit)

    @contextmanager
    def watched(self, device: Device, say: Say, suffer: Callable[[str | None], None]) -> Iterator[Say]:
        watch = Watch((device.path, device.number), say, suffer)
        with watch.over(lambda: signs_of(device.path, device.number)):
            yield watch

    @staticmethod
    async def prepare(device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None:
        await filesystem.prepare(device, wanted, say, proceed)
        proceed()
        if not await subprocesses.in_thread(lambda: in_use(device.number)):
            await growth.fit_before_mount(device, wanted.fstype, say)

    def __init__(
        self, root: Path, by_id: Path = BY_ID, connectors: Mapping[ConnectKind, Connector] = CONNECTORS
    ) -> None:
        self.questions = Questions()
        BlockDevices.__init__(self, self.questions, by_id)
        self._names = by_id
        MountTable.__init__(self, self.questions, root)
        Connecting.__init__(self, connectors, by_id)

    async def labelled_in_use(self) -> frozenset[str]:
        return await self.questions.ask("a look at the disks of this node", lambda: labelled_in_use(self._names))
