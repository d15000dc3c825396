"""A disk that grows under a container: its file system follows, wherever it was cut off, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from controller.gate.kernel.disk_check import TAIL_BYTES
from controller.gate.kernel.filesystem import TAIL_MAGIC
from controller.gate.kernel.growth import reach_of
from controller.gate.kernel.growth_mark import AT as MARK_AT
from controller.gate.kernel.growth_mark import MARK
from controller.gate.kernel.host import KernelHost
from tests.support.gate_rig import MIB, Disk, FakeController, disk, host, running, until

pytestmark = pytest.mark.usefixtures("own_mounts")

SIZES = {"ext4": 64 * MIB, "xfs": 320 * MIB}
FSTYPES = tuple(SIZES)


@pytest.fixture
def controller() -> FakeController:
    return FakeController()


def enlarge(data: Disk) -> None:
    """As the storage does it: the disk is used meanwhile."""
    os.truncate(data.image, 2 * data.size)
    subprocess.run(["losetup", "--set-capacity", data.loop], check=True)


def room(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize


def label(data: Disk) -> bytes:
    return data.read()[-TAIL_BYTES:][: len(TAIL_MAGIC) + 36]


def fill(path: Path) -> bytes:
    """A file of most of the volume, synced; returns its beginning."""
    with path.open("wb") as file:
        for number in range(room(path.parent) * 2 // 3 // MIB):
            file.write(f"{number:08d}".encode() * (MIB // 8))
        os.fsync(file.fileno())
    return path.read_bytes()


async def test_an_xfs_follows_its_disk_while_a_container_writes(tmp_path: Path, controller: FakeController) -> None:
    fstype = "xfs"
    with disk(tmp_path, size=SIZES[fstype]) as data:
        controller.grant(data.grant(fstype=fstype))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            path = await gate.mount("data", "a")
            written, before = fill(path / "file"), room(path)
            with (path / "open").open("wb") as held:
                enlarge(data)
                await until(lambda: room(path) > before * 9 // 5)
                held.write(b"x" * before)
                os.fsync(held.fileno())
            assert (path / "file").read_bytes() == written
            await gate.unmount("data", "a")

            assert label(data) == TAIL_MAGIC + data.fs_uuid.encode()
            controller.grant(data.grant(serial=2, fstype=fstype, may_format=False, size_bytes=data.size))
            again = await gate.mount("data", "b")
            assert (again / "file").read_bytes() == written
            assert (again / "open").stat().st_size == before
            await gate.unmount("data", "b")


@pytest.mark.parametrize("fstype", FSTYPES)
async def test_a_copy_whose_disk_grew_while_it_was_away_keeps_its_label(
    fstype: str, tmp_path: Path, controller: FakeController
) -> None:
    """Its label is still where its file system ends: without it the disk would be anybody's copy."""
    own = str(uuid.uuid4())
    with disk(tmp_path, size=SIZES[fstype]) as data:
        controller.grant(data.grant(fstype=fstype))
        as_copy = partial(data.grant, fstype=fstype, may_format=False, label=own)
        async with running(host(tmp_path), controller, tmp_path) as gate:
            await gate.mount("data", "a")
            await gate.unmount("data", "a")
            controller.grant(as_copy(serial=2, source_label=data.fs_uuid))
            path = await gate.mount("data", "b")
            before = room(path)
            await gate.unmount("data", "b")

            enlarge(data)
            controller.grant(as_copy(serial=3))
            path = await gate.mount("data", "c")
            await until(lambda: room(path) > before * 9 // 5)
            await gate.unmount("data", "c")

        assert label(data) == TAIL_MAGIC + own.encode()


def label_written(data: Disk) -> None:
    data.write(data.size - TAIL_BYTES, TAIL_MAGIC + data.fs_uuid.encode() + b"\n")


def nothing_written(data: Disk) -> None:
    """Cut off right after the storage made it larger."""


@pytest.mark.parametrize("reached", [nothing_written, label_written])
async def test_a_growth_that_was_cut_off_is_finished_at_the_next_mount(
    reached: Callable[[Disk], None], tmp_path: Path, controller: FakeController
) -> None:
    with disk(tmp_path) as data:
        controller.grant(data.grant())
        async with running(host(tmp_path), controller, tmp_path) as gate:
            path = await gate.mount("data", "a")
            before = room(path)
            await gate.unmount("data", "a")
        enlarge(data)
        reached(data)
        async with running(host(tmp_path), controller, tmp_path) as gate:
            controller.grant(data.grant(serial=2, may_format=False))
            path = await gate.mount("data", "b")
            await until(lambda: room(path) > before * 9 // 5)
            await gate.unmount("data", "b")


@contextmanager
def scarce(folder: Path) -> Iterator[Callable[[str], None]]:
    """A thin storage: what it yields says how much of it there is."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], check=True)

    def limit(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    try:
        yield limit
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_an_ext4_that_resize2fs_left_half_grown_is_mended_and_its_files_are_whole(
    tmp_path: Path, controller: FakeController
) -> None:
    """The storage has no room left in the middle of it: what was written until then stays, in any order."""
    with scarce(tmp_path / "thin") as limit, disk(tmp_path / "thin") as data:
        kernel = KernelHost(tmp_path / "volumes", tmp_path / "thin" / "by-id")
        controller.grant(data.grant())
        async with running(kernel, controller, tmp_path) as gate:
            path = await gate.mount("data", "a")
            written, before = fill(path / "file"), room(path)
            await gate.unmount("data", "a")
            enlarge(data)
            limit(f"{blocks(data) + 8}k")
            controller.grant(data.grant(serial=2, may_format=False))
            with pytest.raises(GateError, match="was not made larger"):
                await gate.mount("data", "b")
            assert "with errors" in data.run("dumpe2fs", "-h")
            limit("192m")
            controller.grant(data.grant(serial=3, may_format=False))
            path = await gate.mount("data", "c")
            assert (path / "file").read_bytes() == written
            assert room(path) > before * 9 // 5
            await gate.unmount("data", "c")
        assert data.run("e2fsck", "-f", "-n")
        assert data.read()[MARK_AT:][: len(MARK)] == bytes(len(MARK))


async def test_the_same_damage_without_the_mark_of_a_growth_is_left_to_a_person(
    tmp_path: Path, controller: FakeController
) -> None:
    with disk(tmp_path) as data:
        controller.grant(data.grant())
        async with running(host(tmp_path), controller, tmp_path) as gate:
            await gate.mount("data", "a")
            await gate.unmount("data", "a")
            data.run("debugfs", "-w", "-R", "set_inode_field <7> block[0] 1")
            data.run("debugfs", "-w", "-R", "ssv state 2")
            controller.grant(data.grant(serial=2, may_format=False))
            with pytest.raises(GateError, match="Check the disk by hand with e2fsck"):
                await gate.mount("data", "b")


async def test_an_ext4_never_grows_so_far_that_blocks_of_files_would_be_moved(
    tmp_path: Path, controller: FakeController
) -> None:
    """Cut off in the middle of that, even its root folder was lost."""
    with disk(tmp_path, size=16 * MIB) as data:
        controller.grant(data.grant())
        async with running(host(tmp_path), controller, tmp_path) as gate:
            await gate.mount("data", "a")
            await gate.unmount("data", "a")
            reach, root = reach_on(data), data.run("debugfs", "-R", "blocks <2>")
            assert reach > 500 * data.size

            os.truncate(data.image, 2 * reach)
            data.run("losetup", "--set-capacity")
            controller.grant(data.grant(serial=2, may_format=False, size_bytes=data.size))
            path = await gate.mount("data", "b")
            assert room(path) > reach * 9 // 10
            await gate.unmount("data", "b")
        assert data.run("debugfs", "-R", "blocks <2>") == root


def reach_on(data: Disk) -> int:
    with Path(data.loop).open("rb") as file:
        return reach_of(file.fileno())


def blocks(data: Disk) -> int:
    """KiB that the image has of its storage."""
    return data.image.stat().st_blocks // 2
