"""A disk comes from another node, where somebody may be root: what it brings along leads the gate nowhere."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from tests.support.gate_rig import Disk, FakeController, host, running

pytestmark = pytest.mark.usefixtures("own_mounts")

VOLUME = "data"


@pytest.fixture
def spare(spare: Disk) -> Disk:
    """With a file system: it has been mounted elsewhere before."""
    spare.run("mkfs.ext4", "-q", "-U", spare.fs_uuid)
    return spare


@pytest.fixture
def controller(spare: Disk) -> FakeController:
    made = FakeController()
    made.grant(spare.grant(VOLUME, may_format=False))
    return made


def left_on(spare: Disk, directory: Path, work: Callable[[Path], object]) -> None:
    """What the node before did to the file system."""
    where = directory / "before"
    where.mkdir()
    subprocess.run(["mount", spare.loop, where], check=True)
    work(where)
    subprocess.run(["umount", where], check=True)


@pytest.mark.parametrize("what", ["link", "fifo", "file"])
async def test_data_that_is_no_directory_is_not_handed_out(
    tmp_path: Path, spare: Disk, controller: FakeController, what: str
) -> None:
    """dockerd would follow a link into this node's own files, and a FIFO would never open."""
    victim = tmp_path / "victim"
    victim.mkdir()
    make: dict[str, Callable[[Path], object]] = {
        "link": lambda root: (root / "data").symlink_to(victim),
        "fifo": lambda root: os.mkfifo(root / "data"),
        "file": lambda root: (root / "data").write_text("x"),
    }
    left_on(spare, tmp_path, make[what])

    async with running(host(tmp_path), controller, tmp_path) as gate:
        with pytest.raises(GateError, match="data on the disk is a link or a file; look at the disk by hand"):
            await gate.mount(VOLUME, "a")

    assert os.listxattr(victim) == []
    assert host(tmp_path).mounted() == {}


@pytest.mark.parametrize("name", [".reberth.new", ".reberth"])
@pytest.mark.parametrize("what", ["link", "fifo", "device"])
async def test_nameplate_that_leads_elsewhere_is_replaced_and_what_it_leads_to_is_untouched(
    tmp_path: Path, spare: Disk, controller: FakeController, name: str, what: str
) -> None:
    """A link to a disk of this node would get its first bytes overwritten by root, with all devices."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    make: dict[str, Callable[[Path], object]] = {
        "link": lambda root: (root / name).symlink_to(victim),
        "fifo": lambda root: os.mkfifo(root / name),
        "device": lambda root: os.mknod(root / name, 0o60600, os.makedev(7, 250)),
    }
    left_on(spare, tmp_path, make[what])

    async with asyncio.timeout(30), running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
        target = tmp_path / "volumes" / spare.grant().key
        assert victim.read_text() == "untouched"
        plate = await host(tmp_path).nameplate(target)
        assert plate is not None
        assert plate.name == VOLUME


@pytest.mark.parametrize("what", ["link", "fifo", "no UTF-8", "brackets"])
async def test_gate_without_memory_is_not_held_by_what_is_in_the_place_of_a_nameplate(
    tmp_path: Path, spare: Disk, controller: FakeController, what: str
) -> None:
    """Reading a FIFO would keep the gate, and every volume of the node, asleep for ever."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
    plate = tmp_path / "volumes" / spare.grant().key / ".reberth"
    plate.unlink()
    make: dict[str, Callable[[], object]] = {
        "link": lambda: plate.symlink_to(tmp_path / "state" / "gate.json"),
        "fifo": lambda: os.mkfifo(plate),
        "no UTF-8": lambda: plate.write_bytes(b'{"name":"\xff"}'),
        "brackets": lambda: plate.write_bytes(b'{"x":' + b"[" * 4000),
    }
    make[what]()
    (tmp_path / "state" / "gate.json").unlink()

    async with asyncio.timeout(30), running(host(tmp_path), controller, tmp_path) as gate:
        assert gate.awake
        assert gate.volumes.report() == ()


@pytest.mark.parametrize("name", [".reberth.new", ".reberth", ".data.new", "lost+found"])
async def test_a_folder_in_the_place_of_a_file_of_ours_ends_in_a_reason_or_in_a_mount(
    tmp_path: Path, spare: Disk, controller: FakeController, name: str
) -> None:
    """With things in it, and one that may not be changed: nothing is half mounted afterwards."""

    def leave(root: Path) -> None:
        (root / name).mkdir(exist_ok=True)
        (root / name / "data").write_text("x")
        subprocess.run(["chattr", "+i", root / name], check=True)

    left_on(spare, tmp_path, leave)
    async with asyncio.timeout(60), running(host(tmp_path), controller, tmp_path) as gate:
        try:
            path = await gate.mount(VOLUME, "a")
        except GateError as error:
            assert "mounted but cannot be written" in str(error)  # noqa: PT017 -- either end is right
            assert host(tmp_path).mounted() == {}
            assert [each.state for each in gate.volumes.report()] == ["unmounted"]
        else:
            assert list(path.iterdir()) == []
            await gate.unmount(VOLUME, "a")


async def test_nameplate_that_names_another_volume_s_place_is_not_believed(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """A disk speaks for itself only."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
    plate = tmp_path / "volumes" / spare.grant().key / ".reberth"
    plate.write_text('{"name":"other","key":"k-other","serial":7}')
    (tmp_path / "state" / "gate.json").unlink()

    async with running(host(tmp_path), controller, tmp_path) as gate:
        assert gate.volumes.report() == ()
