"""
Copies of a volume's disk on real disks: the source's file system, the copy's own label, and nobody in another's place.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.gate.gate import Gate
from controller.gate.jobs import GateError
from controller.gate.kernel import filesystem
from controller.gate.kernel.disk_check import TAIL_BYTES, Wanted
from controller.gate.unmount_job import UnmountJob
from controller.gate.volume import TAKEN_OVER_SECONDS
from controller.protocol import messages
from tests.support.gate_rig import MIB, Disk, FakeController, crash, disk, host, running, until

pytestmark = pytest.mark.usefixtures("own_mounts")

FSTYPES = ("ext4", "xfs")


@dataclass
class Pair:
    """A volume ``data`` and one that is to be its copy, ``copy``: two disks of one size."""

    source: Disk
    copy: Disk
    fstype: str

    def data(self, serial: int = 1, **changes: object) -> messages.MountGrant:
        return self.source.grant("data", serial, fstype=self.fstype, **changes)

    def copied(self, serial: int = 1, *, never_mounted: bool, **changes: object) -> messages.MountGrant:
        fields: dict[str, object] = {
            "fstype": self.fstype,
            "fs_uuid": self.source.fs_uuid,
            "may_format": False,
            "label": self.copy.fs_uuid,
            "source_label": self.source.fs_uuid if never_mounted else "",
        }
        return self.copy.grant("copy", serial, **{**fields, **changes})

    def make(self) -> None:
        """As the storage copies: every byte."""
        clone(self.source, self.copy)


def clone(source: Disk, target: Disk) -> None:
    source.read()
    with Path(source.loop).open("rb") as old, Path(target.loop).open("r+b") as new:
        shutil.copyfileobj(old, new, MIB)
        new.flush()
        os.fsync(new.fileno())


def label(one: Disk) -> bytes:
    """What is in the label's sector, up to the end of the line."""
    return one.read()[one.size - TAIL_BYTES :][:512].split(b"\n")[0]


async def write(gate: Gate, text: str, volume: str = "data") -> None:
    path = await gate.mount(volume, "w")
    (path / "row").write_text(text)
    await gate.unmount(volume, "w")


@asynccontextmanager
async def copied(directory: Path, pair: Pair) -> AsyncIterator[tuple[FakeController, Gate]]:
    """The source was used and has a row "before"; every byte of it is on the copy's disk."""
    controller = FakeController()
    controller.grant(pair.data())
    async with running(host(directory), controller, directory) as gate:
        await write(gate, "before")
        pair.make()
        yield controller, gate


@pytest.fixture(params=FSTYPES)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    size = (64 if request.param == "ext4" else 400) * MIB
    with disk(tmp_path, "source", size) as source, disk(tmp_path, "copy", size) as copy:
        yield Pair(source, copy, request.param)


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Pair]:
    with disk(tmp_path, "source") as source, disk(tmp_path, "copy") as copy:
        yield Pair(source, copy, "ext4")


async def test_a_copy_begins_with_what_its_source_has_and_both_are_mounted_on_one_node(
    tmp_path: Path, pair: Pair
) -> None:
    """Two file systems of one UUID beside each other; each keeps to itself what is written afterwards."""
    async with copied(tmp_path, pair) as (controller, gate):
        controller.grant(pair.data(2, may_format=False))
        controller.grant(pair.copied(never_mounted=True))
        source, copy = await gate.mount("data", "m1"), await gate.mount("copy", "m2")
        assert (copy / "row").read_text() == "before"
        (source / "row").write_text("of the source")
        (copy / "row").write_text("of the copy")
        await gate.unmount("data", "m1")
        await gate.unmount("copy", "m2")

        controller.grant(pair.copied(2, never_mounted=False))
        controller.grant(pair.data(3, may_format=False))
        copy, source = await gate.mount("copy", "m3"), await gate.mount("data", "m4")
        assert ((source / "row").read_text(), (copy / "row").read_text()) == ("of the source", "of the copy")
        await gate.unmount("data", "m4")
        await gate.unmount("copy", "m3")

    assert label(pair.source).endswith(pair.source.fs_uuid.encode())
    assert label(pair.copy).endswith(pair.copy.fs_uuid.encode())


async def test_a_read_only_copy_is_written_by_nobody_and_read_by_several(tmp_path: Path, pair: Pair) -> None:
    """Also its first mount, for which the gate itself writes; and it is no trouble that it is read-only."""
    async with copied(tmp_path, pair) as (controller, gate):
        controller.grant(pair.copied(1, never_mounted=True, read_only=True))
        path = await gate.mount("copy", "m1")
        controller.grant(pair.copied(2, never_mounted=False, read_only=True, task="task2"))
        assert await gate.mount("copy", "m2") == path
        assert (path / "row").read_text() == "before"
        with pytest.raises(OSError, match="Read-only file system"):
            (path / "row").write_text("after")

        volume = gate.volumes.volume("copy")
        await UnmountJob(volume, host(tmp_path)).check()
        assert volume.problem is None
        await gate.unmount("copy", "m1")
        assert (path / "row").read_text() == "before"
        await gate.unmount("copy", "m2")
        controller.grant(pair.copied(3, never_mounted=False))
        await write(gate, "writable again", "copy")


async def test_a_read_only_volume_is_mounted_read_only_again_beside_a_container_that_holds_it(
    tmp_path: Path, ext4: Pair
) -> None:
    """After its start a gate looks for users of before by unmounting: the kernel takes back only what is the same."""
    async with copied(tmp_path, ext4) as (controller, gate):
        controller.grant(ext4.copied(never_mounted=True, read_only=True))
        path = await gate.mount("copy", "m1")
        with held(tmp_path, path):
            volume = gate.volumes.volume("copy")
            volume.inherit(asyncio.get_running_loop().time() - TAKEN_OVER_SECONDS)
            await UnmountJob(volume, host(tmp_path)).release()
            assert not volume.doubtful()
            assert volume.problem is None
            assert (path / "row").read_text() == "before"
        await gate.unmount("copy", "m1")


@contextmanager
def held(directory: Path, path: Path) -> Iterator[None]:
    """By a container: a mount of its own, in a namespace of its own."""
    inside, ready = directory / "inside", directory / "ready"
    inside.mkdir()
    shell = f"mount --bind '{path}' {inside}; touch {ready}; exec sleep infinity"
    process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", shell])
    try:
        for _ in range(3000):
            if ready.exists():
                break
            time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()


async def test_the_record_learns_of_the_label_before_a_copy_is_mounted(tmp_path: Path, ext4: Pair) -> None:
    """From then on a disk without the copy's own label is a stranger."""
    async with copied(tmp_path, ext4) as (controller, gate):
        controller.grant(ext4.copied(never_mounted=True))
        await gate.mount("copy", "m1")
        seen = [one for sync in controller.syncs for one in sync.volumes if one.name == "copy" and one.formatted]
        assert seen[0].state == "mounting"
        await gate.unmount("copy", "m1")


async def test_the_copy_of_a_source_that_crashed_has_its_journal_replayed(tmp_path: Path, pair: Pair) -> None:
    """The source's VM lost its power, and its disk was copied as it was: what was acknowledged is in the copy."""
    controller = FakeController()
    controller.grant(pair.data())
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount("data", "m1")
        with (path / "row").open("w") as file:
            file.write("acknowledged")
            file.flush()
            os.fsync(file.fileno())
        if pair.fstype == "ext4":
            crash(path)
            await gate.unmount("data", "m1")
            assert "needs_recovery" in pair.source.run("dumpe2fs", "-h")
            pair.make()
        else:  # of a mounted disk, as no copy is made: its log is dirty
            pair.make()
            await gate.unmount("data", "m1")
        untouched = pair.source.read()
        controller.grant(pair.copied(never_mounted=True))
        copy = await gate.mount("copy", "m2")
        assert (copy / "row").read_text() == "acknowledged"
        await gate.unmount("copy", "m2")
    assert pair.source.read() == untouched


@pytest.mark.parametrize("labelled", [False, True], ids=["before its label", "between label and record"])
async def test_a_first_mount_that_was_cut_off_is_done_again(tmp_path: Path, ext4: Pair, labelled: bool) -> None:
    """The record still says that it was never mounted: the source's label and its own are both taken."""
    async with copied(tmp_path, ext4) as (controller, gate):
        if labelled:
            found = await host(tmp_path).find([ext4.copy.name])
            assert found is not None
            uuid, own, old = ext4.source.fs_uuid, ext4.copy.fs_uuid, ext4.source.fs_uuid
            wanted = Wanted("ext4", uuid, ext4.copy.size, may_format=False, label=own, source_label=old)
            await filesystem.prepare(found, wanted, lambda _: None, lambda: None)
            found.close()
            assert label(ext4.copy).endswith(ext4.copy.fs_uuid.encode())
        controller.grant(ext4.copied(never_mounted=True))
        assert ((await gate.mount("copy", "m1")) / "row").read_text() == "before"
        await gate.unmount("copy", "m1")


async def test_a_copy_that_is_blank_is_never_formatted(tmp_path: Path, ext4: Pair) -> None:
    """Whatever the storage did with it: nobody starts on an empty volume in place of a copy."""
    controller = FakeController()
    kept = ext4.copy.read()
    async with running(host(tmp_path), controller, tmp_path) as gate:
        for serial, wrong in enumerate(({}, {"may_format": True}), start=1):
            controller.grant(ext4.copied(serial, never_mounted=True, **wrong))
            with pytest.raises(GateError, match="is a copy of another, but the disk has no file system"):
                await gate.mount("copy", "m1")
    assert ext4.copy.read() == kept


async def test_source_and_copy_are_never_mounted_in_each_others_place(tmp_path: Path, ext4: Pair) -> None:
    """They differ in nothing but the label, and that is enough."""
    async with copied(tmp_path, ext4) as (controller, gate):
        controller.grant(ext4.copied(never_mounted=True))
        await write(gate, "after", "copy")

        swapped = {"by_id": (ext4.copy.name,)}
        controller.grant(ext4.data(2, may_format=False, **swapped))
        with pytest.raises(GateError, match="the disk of another copy, or the one that was copied"):
            await gate.mount("data", "m2")
        controller.grant(ext4.copied(2, never_mounted=False, by_id=(ext4.source.name,)))
        with pytest.raises(GateError, match="the disk of another copy, or the one that was copied"):
            await gate.mount("copy", "m3")
    assert host(tmp_path).mounted() == {}


async def test_a_copy_that_somebody_has_mounted_is_not_labelled(tmp_path: Path, ext4: Pair) -> None:
    """It would be the label of a disk that is in use as something else."""
    controller = FakeController()
    controller.grant(ext4.data())
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount("data", "m1")
        controller.grant(ext4.copied(never_mounted=True, by_id=(ext4.source.name,)))
        with pytest.raises(GateError, match="is in use by something else"):
            await gate.mount("copy", "m2")
        assert list(path.iterdir()) == []
        await gate.unmount("data", "m1")
        await until(lambda: controller.history("data")[-1][0] == "unmounted")
    assert label(ext4.source).endswith(ext4.source.fs_uuid.encode())


async def test_the_copy_of_a_copy_is_a_volume_of_its_own(tmp_path: Path, ext4: Pair) -> None:
    """It has the first one's file system, and comes with the label of the one in between."""
    async with copied(tmp_path, ext4) as (controller, gate):
        controller.grant(ext4.copied(never_mounted=True))
        await write(gate, "second", "copy")
        with disk(tmp_path, "third") as third:
            clone(ext4.copy, third)
            fields = {"fs_uuid": ext4.source.fs_uuid, "may_format": False, "label": third.fs_uuid}
            controller.grant(third.grant("third", 1, source_label=ext4.copy.fs_uuid, **fields))
            assert ((await gate.mount("third", "m3")) / "row").read_text() == "second"
            await gate.unmount("third", "m3")
            assert label(third).endswith(third.fs_uuid.encode())
