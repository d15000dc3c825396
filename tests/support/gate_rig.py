"""
The gate's surroundings for tests: a controller in memory that can be told what to answer, and disks on loop devices.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import os
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from controller.gate.gate import Gate
from controller.gate.kernel.host import Host, KernelHost
from controller.model import BootId, VmId, VolumeName
from controller.protocol import messages
from controller.protocol.client import ControllerRefused, ControllerUnreachable
from controller.protocol.machine import Machine
from controller.volumes.naming import volume_key

VM = VmId("11111111-aaaa-4bbb-8ccc-000000000001")
BOOT = BootId("22222222-aaaa-4bbb-8ccc-000000000001")
MIB = 1 << 20
CLONE_NEWNS = 0x00020000
EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_WITHOUT_FLUSH = 2


@dataclass
class FakeController:
    """Answers as a controller may; keeps every sync it was sent. ``down`` is why it cannot be reached."""

    grants: dict[str, messages.MountGrant | messages.Pending | ControllerRefused] = field(default_factory=dict)
    volumes: dict[str, messages.Volume] = field(default_factory=dict)
    details: dict[str, messages.Details] = field(default_factory=dict)
    releases: dict[str, int] = field(default_factory=dict)
    syncs: list[messages.Sync] = field(default_factory=list)
    requests: list[messages.MountRequest] = field(default_factory=list)
    names_told: messages.Names | None = None  # None: a controller that keeps no list
    slow: float = 0.0  # seconds that details of a volume take
    down: str | None = None
    mute: bool = False  # a sync is heard, and never answered
    poke: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self) -> None:
        self.poke.set()
        self.poke = asyncio.Event()

    def grant(self, grant: messages.MountGrant) -> None:
        self.grants[grant.volume] = grant
        self.changed()

    def release(self, volume: str, serial: int) -> None:
        self.releases[volume] = serial
        self.changed()

    def _reach(self) -> None:
        if self.down is not None:
            raise ControllerUnreachable(self.down)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.poke.wait()
        except TimeoutError:
            return

    async def create(self, name: str, options: Mapping[str, str]) -> messages.Volume:
        self._reach()
        if options.get("size") == "bad":
            raise ControllerRefused("size is 'bad'; write it like 10GiB", 400)
        return self.volumes.setdefault(name, messages.Volume(name=name, size_bytes=64 * MIB, fstype="ext4"))

    async def get(self, name: str) -> messages.Volume:
        self._reach()
        if name not in self.volumes:
            raise ControllerRefused(f"no such volume: {name}", 404)
        return self.volumes[name]

    async def inspect(self, name: str) -> messages.Details:
        self._reach()
        await asyncio.sleep(self.slow)
        if name not in self.details:
            raise ControllerRefused(f"no such volume: {name}", 404)
        return self.details[name]

    async def names(self, known: messages.KnownNames) -> messages.Names:
        self._reach()
        if self.names_told is None:
            raise ControllerRefused("there is no /v1/names", 404)
        if (known.epoch, known.count) == (self.names_told.epoch, self.names_told.count):
            await self._wait(known.wait)
            self._reach()
        if (known.epoch, known.count) == (self.names_told.epoch, self.names_told.count):
            return messages.Names(known.epoch, known.count)
        return self.names_told

    async def remove(self, name: str) -> None:
        self._reach()
        if self.volumes.pop(name, None) is None:
            raise ControllerRefused(f"no such volume: {name}", 404)

    async def mount(self, request: messages.MountRequest) -> messages.MountGrant | messages.Pending:
        self._reach()
        self.requests.append(request)
        answer = self.grants.get(request.volume)
        if answer is None:
            await self._wait(request.wait)
            self._reach()
            answer = self.grants.get(request.volume)
        if isinstance(answer, ControllerRefused):
            raise answer
        if isinstance(answer, messages.Pending):
            await self._wait(request.wait)
        return answer or messages.Pending(why="the disk is still on the old node")

    async def sync(self, sync: messages.Sync) -> messages.Orders:
        self._reach()
        self.syncs.append(sync)
        if self.mute:
            await asyncio.Event().wait()
        orders = self._orders(sync)
        if not orders and sync.wait:
            await self._wait(sync.wait)
            orders = self._orders(sync)
        return messages.Orders(releases=orders)

    def _orders(self, sync: messages.Sync) -> tuple[messages.Release, ...]:
        said = {one.name: one for one in sync.volumes}
        return tuple(
            messages.Release(volume=name, serial=serial)
            for name, serial in self.releases.items()
            if name not in said or said[name].state != "unmounted" or said[name].serial < serial
        )

    def said(self, name: str) -> messages.VolumeReport | None:
        """The newest word about a volume."""
        reports = [one for one in self.syncs[-1].volumes if one.name == name] if self.syncs else []
        return reports[0] if reports else None

    def history(self, name: str) -> list[tuple[str, int]]:
        """What was said about a volume, without repeats."""
        said: list[tuple[str, int]] = []
        for sync in self.syncs:
            for one in sync.volumes:
                if one.name == name and (not said or said[-1] != (one.state, one.serial)):
                    said.append((one.state, one.serial))
        return said


@asynccontextmanager
async def running(
    host: Host,
    controller: FakeController,
    directory: Path,
    machine: Callable[[], Machine] | None = None,
) -> AsyncIterator[Gate]:
    """A gate at work; leaving is the crash or the end of its process: nothing is tidied up."""
    gate = Gate(
        host,
        controller,
        machine or (lambda: Machine(VM, BOOT)),
        directory / "volumes",
        directory / "state" / "gate.json",
    )
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(gate.run())
        await gate._tried.wait()
        failure: Exception | None = None
        try:
            yield gate
        except Exception as error:  # noqa: BLE001 -- the group would wrap what the test wants to see
            failure = error
        finally:
            work.cancel()
    if failure is not None:
        raise failure


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 -- the world outside makes no event
            await asyncio.sleep(0.01)


@contextmanager
def private_mounts() -> Iterator[None]:
    """
    A mount namespace of the test's own: other tests' machines would copy our mounts into theirs, and hold our disks.

    Threads and programs that are started meanwhile are born into it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        yield
    finally:
        _return(libc, before)
        os.close(before)


def _return(libc: ctypes.CDLL, before: int) -> None:
    """The kernel says EINVAL while another thread lives: a gate that ended in the middle may leave one that writes."""
    ends = time.monotonic() + 20
    while libc.setns(before, CLONE_NEWNS) != 0:
        if ctypes.get_errno() != errno.EINVAL or time.monotonic() > ends:
            raise OSError(ctypes.get_errno(), "setns")
        time.sleep(0.01)


@dataclass
class Disk:
    """A disk that appears under a by-id name, as after a hot-plug."""

    image: Path
    loop: str
    by_id: Path
    name: str
    fs_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def size(self) -> int:
        return self.image.stat().st_size

    def plug(self) -> None:
        self.by_id.mkdir(exist_ok=True)
        (self.by_id / self.name).symlink_to(self.loop)

    def grant(self, volume: str = "data", serial: int = 1, **changes: object) -> messages.MountGrant:
        fields: dict[str, object] = {
            "volume": volume,
            "key": volume_key(VolumeName(volume)),
            "task": "task1",
            "epoch": 3,
            "serial": serial,
            "by_id": ("not-there", self.name),
            "size_bytes": self.size,
            "fstype": "ext4",
            "fs_uuid": self.fs_uuid,
            "may_format": True,
        }
        return messages.MountGrant(**{**fields, **changes})  # type: ignore[arg-type]

    def write(self, offset: int, data: bytes) -> None:
        with Path(self.loop).open("r+b") as device:
            device.seek(offset)
            device.write(data)
            device.flush()
            os.fsync(device.fileno())

    def run(self, *argv: str) -> str:
        """A program on the disk, as somebody would have run it before."""
        done = subprocess.run([*argv, self.loop], check=True, capture_output=True, text=True)
        return done.stdout

    def read(self) -> bytes:
        subprocess.run(["blockdev", "--flushbufs", self.loop], check=True)
        return Path(self.loop).read_bytes()


@contextmanager
def disk(directory: Path, name: str = "vol1", size: int = 64 * MIB, *, plugged: bool = True) -> Iterator[Disk]:
    image = directory / f"gate-{name}.img"
    with image.open("wb") as file:
        file.truncate(size)
    found = subprocess.run(
        ["losetup", "--find", "--show", "--nooverlap", str(image)], check=True, capture_output=True, text=True
    )
    made = Disk(image, found.stdout.strip(), directory / "by-id", name)
    try:
        if plugged:
            made.plug()
        yield made
    finally:
        subprocess.run(["losetup", "--detach", made.loop], check=True)


def crash(directory: Path) -> None:
    """Stop a mounted ext4 as a power cut would: what is not in the journal yet is lost, the journal is not replayed."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, SHUTDOWN_WITHOUT_FLUSH.to_bytes(4, "little"))
    finally:
        os.close(fd)


def host(directory: Path) -> KernelHost:
    """The kernel, with the gate's folders below ``directory``."""
    return KernelHost(directory / "volumes", directory / "by-id")
