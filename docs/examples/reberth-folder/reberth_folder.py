"""
A storage driver as small as it can be: a folder stands where your storage system's API would.

``disks/KEY`` is a disk, ``attached/KEY`` says which machine has it, ``epochs/VM`` is a machine's stamp, and
``mounted/KEY`` is there while a machine uses the disk: such a detach is refused, since a folder cuts nobody's I/O.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from reberth.driver import (
    Attachment,
    Capabilities,
    Created,
    CreateOutcome,
    DeviceHint,
    DiskId,
    Done,
    DriverError,
    Epoch,
    Listing,
    Outcome,
    Refused,
    Spec,
    Unreachable,
    VmId,
    VolumeKey,
)

T = TypeVar("T")


class FolderDriver:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def capabilities(self) -> Capabilities:
        """What your storage system promises, and this driver with it. The suite holds it to that."""
        return Capabilities(
            name="folder",
            detach_cuts_io=False,
            exclusive_attach=True,
            epoch_guard=True,
            max_disks_per_vm=64,
            shared=True,
            batch=False,
        )

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        def act() -> CreateOutcome:
            disk = self._folder / "disks" / key
            if disk.exists() and disk.stat().st_size != spec.size_bytes:
                return Refused(f"{key} exists with {disk.stat().st_size} bytes, not {spec.size_bytes}")
            with disk.open("ab") as file:  # never overwrites
                file.truncate(spec.size_bytes)
            return Created(DiskId(key))

        return self._ask(act)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return Refused("this storage cannot copy disks")

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        return [VolumeKey(each) for each in self._read("disks") if each.startswith(beginning)]

    async def delete(self, disk: DiskId) -> Outcome:
        def act() -> Outcome:
            if (vm := self._holder(disk)) is not None:
                return Refused(f"{disk} is attached to {vm}")
            (self._folder / "disks" / disk).unlink(missing_ok=True)
            return Done()

        return self._ask(act)

    async def list_attachments(self) -> Listing:
        """All or nothing: a part would look as if the other disks were attached nowhere."""
        held = {disk: VmId(vm) for disk, vm in self._read("attached").items()}
        epochs = self._read("epochs")
        return Listing(tuple(Attachment(DiskId(disk), vm, epoch=Epoch(int(epochs[vm]))) for disk, vm in held.items()))

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        def act(disk: DiskId) -> Outcome:
            if (refused := self._guarded(vm, epoch)) is not None:
                return refused
            if not (self._folder / "disks" / disk).exists():
                return Refused(f"there is no disk {disk}")
            if self._holder(disk) not in {None, vm}:
                return Refused(f"{disk} is attached to {self._holder(disk)}")
            self._stamp(vm, epoch)
            (self._folder / "attached" / disk).write_text(vm)
            return Done()

        return [self._ask(partial(act, disk)) for disk in disks]

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        def act(disk: DiskId) -> Outcome:
            if (refused := self._guarded(vm, epoch)) is not None:
                return refused
            if self._holder(disk) != vm:
                return Done()  # a late detach must not meet the next holder
            if (self._folder / "mounted" / disk).exists():
                return Refused(f"{vm} uses {disk}, and nothing here can stop it")
            (self._folder / "attached" / disk).unlink()
            return Done()

        return [self._ask(partial(act, disk)) for disk in disks]

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:
        return DeviceHint((f"folder-{disk}",))

    async def close(self) -> None:
        """Nothing is open."""

    def _holder(self, disk: DiskId) -> VmId | None:
        file = self._folder / "attached" / disk
        return VmId(file.read_text()) if file.exists() else None

    def _guarded(self, vm: VmId, epoch: Epoch) -> Refused | None:
        """A leader that was deposed comes with a lower epoch."""
        stamp = self._folder / "epochs" / vm
        if stamp.exists() and int(stamp.read_text()) > epoch:
            return Refused(f"{vm} has been served under the epoch {stamp.read_text()}: {epoch} is over")
        return None

    def _stamp(self, vm: VmId, epoch: Epoch) -> None:
        (self._folder / "epochs" / vm).write_text(str(epoch))

    def _ask(self, act: Callable[[], T]) -> T | Unreachable:
        """What was never sent is Unreachable; what was sent and not answered would be InDoubt."""
        try:
            with self._alone():
                return act()
        except FileNotFoundError as error:
            return Unreachable(f"{self._folder} cannot be reached: {error}")

    def _read(self, what: str) -> Mapping[str, str]:
        """Name -> text, in order. "Could not be read" is an error, never an empty answer."""
        try:
            with self._alone():
                files = sorted((self._folder / what).iterdir())
                return {file.name: "" if what == "disks" else file.read_text() for file in files}
        except FileNotFoundError as error:
            raise DriverError(f"{self._folder} cannot be read: {error}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Look and act are one step also for other controllers: take what your storage system has for that."""
        with (self._folder / "lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def create(settings: Mapping[str, object]) -> FolderDriver:
    """Entry point. Unknown and missing keys are refused with a sentence that says what can be written."""
    folder = settings.get("folder")
    if set(settings) != {"folder"} or not isinstance(folder, str):
        raise ValueError('write folder = "/PATH", and nothing else')
    for each in ("disks", "attached", "epochs", "mounted"):
        Path(folder, each).mkdir(parents=True, exist_ok=True)
    Path(folder, "lock").touch()
    return FolderDriver(Path(folder))
