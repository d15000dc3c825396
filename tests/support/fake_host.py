"""A kernel that is made of two dictionaries, for tests of the gate that are not about the kernel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from controller.gate.kernel.connecting.connector import Word
from controller.gate.kernel.device import Device
from controller.gate.kernel.disk_check import Wanted
from controller.gate.kernel.filesystem import Proceed, Say
from controller.gate.kernel.handout import Nameplate, Owner
from controller.gate.kernel.mount_table import Mount, MountFailed
from controller.gate.kernel.subprocesses import Stalled
from controller.model import Connection, VolumeName
from controller.protocol import messages
from controller.volumes.naming import volume_key

T = TypeVar("T")


@dataclass
class FakeHost:
    """
    ``fsck_seconds``: how long the disk's check takes; ``hung``: mount(2) and umount(2) do not return before it is set.

    ``no_mount``, ``no_unmount``: why mount(8) and umount(8) fail; ``half``: mount(8) fails, and the kernel has mounted.
    ``lives``: a container has the file system in a namespace of its own; ``program``: a program has the disk.
    """

    disks: dict[str, str] = field(default_factory=lambda: {"disk": "8:16"})
    table: dict[Path, Mount] = field(default_factory=dict)
    fsck_seconds: float = 0.0
    checks: int = 0
    hung: asyncio.Event | None = None
    no_mount: str | None = None
    no_unmount: str | None = None
    half: bool = False
    lives: bool = False
    program: bool = False  # a check of before is under way
    strays: frozenset[str] = frozenset()
    deaf: bool = False  # a disk hangs
    sick: str | None = None
    stalled: frozenset[str] = frozenset()  # disks, by number, that answer no question for long
    vanished: bool = False
    identities: dict[str, str] = field(default_factory=dict)  # of SCSI disks, by number
    silent: bool = False  # the disk is there, and answers no read
    rescues: int = 0
    removed: list[str] = field(default_factory=list)
    trimmed: list[int] = field(default_factory=list)  # where each piece began; there are three
    kinds: tuple[str, ...] = ("register-key",)
    word: Word = field(default_factory=lambda: Word("done"))  # about what is to be connected
    mute: asyncio.Event | None = None  # no such order ends before it is set
    orders: list[tuple[Connection, bool]] = field(default_factory=list)  # each with whether it was to be undone

    async def in_thread(self, work: Callable[[], T]) -> T:
        return work()

    async def find(self, names: Sequence[str]) -> Device | None:
        number = next((self.disks[name] for name in names if name in self.disks), None)
        self._answer(number or "")
        if number is None:
            return None
        return Device("/dev/fake", number, 1 << 30, os.open(os.devnull, os.O_RDONLY), self.silent)

    async def close(self, device: Device) -> None:
        device.close()

    def watched(self, device: Device, say: Say, suffer: Callable[[str | None], None]) -> AbstractContextManager[Say]:
        return nullcontext(say)

    async def prepare(self, device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None:
        proceed()
        self.checks += 1
        say("checking /dev/fake (e2fsck -p)")
        await asyncio.sleep(self.fsck_seconds)

    def mounted(self) -> Mapping[Path, Mount]:
        return dict(self.table)

    async def mount(self, device: str, fstype: str, target: Path, *, twin: bool, options: Sequence[str] = ()) -> None:
        if self.hung is not None:
            await self.hung.wait()
        if self.no_mount is not None and not self.half:
            raise MountFailed(self.no_mount)
        self.table[target] = Mount(target, next(iter(self.disks.values())), fstype, device)
        if self.no_mount is not None:
            raise MountFailed(self.no_mount)

    async def turn_read_only(self, target: Path) -> None:
        self.table[target] = replace(self.table[target], read_only=True)

    async def dress(self, target: Path, plate: Nameplate, epoch: int, owner: Owner) -> Path:
        return target / "data"

    async def nameplate(self, target: Path) -> Nameplate | None:
        return None

    async def shut_down(self, target: Path) -> bool:
        return False

    async def usage(self, target: Path) -> tuple[int, int] | None:
        return (4096, 8192) if target in self.table else None

    async def trim(self, target: Path, start: int, length: int) -> int | None:
        self.trimmed.append(start)
        return 512 if start < 3 * length else None

    async def fit(self, mount: Mount, fitted: int) -> int:
        return fitted

    async def flush(self, target: Path) -> None:
        if self.sick is not None:
            raise MountFailed("input/output error")

    async def unmount(self, target: Path, *, lazy: bool = False) -> None:
        if self.hung is not None:
            await self.hung.wait()
        if self.no_unmount is not None:
            raise MountFailed(self.no_unmount)
        self.table.pop(target, None)

    async def in_use(self, number: str) -> bool:
        self._answer(number)
        return bool(self.table) or self.lives or self.program

    async def busy(self, number: str) -> bool:
        self._answer(number)
        return self.program

    async def labelled_in_use(self) -> frozenset[str]:
        if self.deaf:
            await asyncio.Event().wait()
        return self.strays

    async def gone(self, number: str) -> bool:
        return self.vanished

    def _answer(self, number: str) -> None:
        if number in self.stalled:
            raise Stalled(f"a question to the disk {number} has had no answer for more than 15 s")

    async def sickness(self, number: str) -> str | None:
        self._answer(number)
        return self.sick

    async def identity(self, number: str) -> str | None:
        return self.identities.get(number)

    async def rescue(self, names: Sequence[str]) -> None:
        self.rescues += 1

    async def remove(self, number: str) -> bool:
        self.removed.append(number)
        return True

    def carry_out(self, what: Connection, *, undo: bool) -> asyncio.Future[Word]:
        self.orders.append((what, undo))

        async def work() -> Word:
            if self.mute is not None:
                await self.mute.wait()
            return self.word

        return asyncio.ensure_future(work())


def grant(serial: int = 1, epoch: int = 3, task: str = "task1", mounts: int = 1, void: int = 0) -> messages.MountGrant:
    return messages.MountGrant(
        volume="data",
        key=volume_key(VolumeName("data")),
        task=task,
        epoch=epoch,
        serial=serial,
        by_id=("disk",),
        size_bytes=1 << 30,
        fstype="ext4",
        fs_uuid="u",
        may_format=False,
        mounts=mounts,
        void=void,
    )
