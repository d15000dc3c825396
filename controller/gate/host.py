"""What the gate asks of the kernel. One real form; tests that are not about the kernel fake it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from controller.gate import device as devices
from controller.gate import filesystem, mounts
from controller.gate.blank import Wanted
from controller.gate.device import Device
from controller.gate.filesystem import Proceed, Say
from controller.gate.mounts import Mounted, Nameplate
from controller.gate.programs import in_thread


class Host(Protocol):
    async def find(self, names: Sequence[str]) -> Device | None:
        """The first of these under /dev/disk/by-id that is a disk with a size. Raises NotABlockDevice, OSError."""
        ...

    async def prepare(self, device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None: ...

    def mounted(self) -> Mapping[Path, Mounted]: ...

    async def mount(self, device: str, fstype: str, target: Path, *, twin: bool) -> None: ...

    async def dress(self, target: Path, plate: Nameplate, epoch: int) -> Path: ...

    async def nameplate(self, target: Path) -> Nameplate | None: ...

    async def flush(self, target: Path) -> None: ...

    async def unmount(self, target: Path, *, lazy: bool = False) -> None: ...

    async def in_use(self, number: str) -> bool: ...

    async def gone(self, number: str) -> bool: ...

    async def sickness(self, number: str) -> str | None: ...

    async def remove(self, number: str) -> bool: ...


class KernelHost:
    """The real one. ``root`` is where volumes are mounted: the plugin's propagated mount."""

    def __init__(self, root: Path, by_id: Path = devices.BY_ID) -> None:
        self._root = root
        self._by_id = by_id

    async def find(self, names: Sequence[str]) -> Device | None:
        return await in_thread(lambda: devices.open_device(names, self._by_id))

    async def prepare(self, device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None:
        await filesystem.prepare(device, wanted, say, proceed)

    def mounted(self) -> Mapping[Path, Mounted]:
        return mounts.mounted_under(self._root)

    async def mount(self, device: str, fstype: str, target: Path, *, twin: bool) -> None:
        await mounts.mount(device, fstype, target, twin=twin)

    async def dress(self, target: Path, plate: Nameplate, epoch: int) -> Path:
        return await mounts.dress(target, plate, epoch)

    async def nameplate(self, target: Path) -> Nameplate | None:
        return await in_thread(lambda: mounts.read_nameplate(target))

    async def flush(self, target: Path) -> None:
        await mounts.flush(target)

    async def unmount(self, target: Path, *, lazy: bool = False) -> None:
        await mounts.unmount(target, lazy=lazy)
        mounts.remove_target(target)

    async def in_use(self, number: str) -> bool:
        return await in_thread(lambda: devices.in_use(number))

    async def gone(self, number: str) -> bool:
        return await in_thread(lambda: devices.gone(number))

    async def sickness(self, number: str) -> str | None:
        return await in_thread(lambda: devices.sickness(number))

    async def remove(self, number: str) -> bool:
        return await in_thread(lambda: devices.remove_scsi(number))
