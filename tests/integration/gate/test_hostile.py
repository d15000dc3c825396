"""A disk comes from another node, where somebody may be root: what it brings along leads the gate nowhere."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from controller.gate.kernel.disk_check import TAIL_BYTES
from controller.gate.kernel.filesystem import write_label
from controller.model import VolumeName
from controller.protocol.messages import VolumeReport
from controller.volumes.naming import volume_key
from tests.support.gate_rig import MIB, Disk, FakeController, disk, host, running, until

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
        target = tmp_path / "volumes" / spare.grant(VOLUME).key
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
    plate = tmp_path / "volumes" / spare.grant(VOLUME).key / ".reberth"
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


LIES = {
    "place and name": {"name": "other", "key": volume_key(VolumeName("other")), "serial": 7},
    "name": {"name": "other", "key": volume_key(VolumeName(VOLUME)), "serial": 2**62},
    "no name": {"name": "../../etc", "key": volume_key(VolumeName(VOLUME)), "serial": 7},
    "place": {"name": VOLUME, "key": volume_key(VolumeName("other")), "serial": 7},
}


@pytest.mark.parametrize("lie", LIES)
async def test_nameplate_that_names_another_volume_holds_its_own_volume_and_no_other(
    tmp_path: Path, spare: Disk, controller: FakeController, lie: str
) -> None:
    """Believed, its own volume would be called unmounted under a container that writes."""
    with disk(tmp_path, "second") as second:
        controller.grant(second.grant("third"))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            await gate.mount(VOLUME, "a")
            await gate.mount("third", "c")
        plate = tmp_path / "volumes" / spare.grant(VOLUME).key / ".reberth"
        plate.write_text(json.dumps(LIES[lie]))
        (tmp_path / "state" / "gate.json").unlink()

        async with running(host(tmp_path), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
            assert [(one.name, one.state) for one in gate.volumes.report()] == [("third", "mounted")]
            for name in (VOLUME, "other"):
                controller.release(name, 9)
            await until(lambda: controller.history("other")[-1:] == [("unmounted", 9)])
            said = controller.said(VOLUME)
            assert said is not None
            assert (said.state, said.users) == ("mounted", (0,))
            assert "names another volume" in (said.problem or "")

            controller.grant(spare.grant(VOLUME, serial=10, void=9, may_format=False))
            successor = tasks.create_task(gate.mount(VOLUME, "b"))
            await until(lambda: "an earlier container" in gate.volumes.volume(VOLUME).reason)
            await gate.unmount(VOLUME, "a")
            assert await successor == tmp_path / "volumes" / spare.grant(VOLUME).key / "data"
            await gate.unmount(VOLUME, "b")
            await gate.unmount("third", "c")
            assert host(tmp_path).mounted() == {}


@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
@pytest.mark.parametrize("forged", ["label", "file system", "both"])
async def test_a_disk_that_bears_another_volume_s_marks_is_refused_and_that_one_is_mounted(
    tmp_path: Path, spare: Disk, fstype: str, forged: str
) -> None:
    """Root on a worker writes the other's label, and the other's UUID, on the disk of its own volume."""
    controller = FakeController()
    with disk(tmp_path, "victim", 512 * MIB) as victim, disk(tmp_path, "hostile", 512 * MIB) as hostile:
        for one, name in ((victim, "victim"), (hostile, "hostile")):
            controller.grant(one.grant(name, fstype=fstype))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            for name in ("victim", "hostile"):
                (await gate.mount(name, "a") / name).write_text(name)
                await gate.unmount(name, "a")
            if forged != "file system":
                write_label(hostile.loop, victim.fs_uuid, hostile.size - TAIL_BYTES)
            if forged != "label":
                change_uuid(hostile, fstype, victim.fs_uuid)
            for one, name in ((victim, "victim"), (hostile, "hostile")):
                controller.grant(one.grant(name, serial=2, fstype=fstype, may_format=False))
            with pytest.raises(GateError, match=victim.fs_uuid):
                await gate.mount("hostile", "b")
            assert [each.name for each in (await gate.mount("victim", "b")).iterdir()] == ["victim"]
            assert [each.state for each in gate.volumes.report() if each.name == "hostile"] == ["unmounted"]
            await gate.unmount("victim", "b")


def change_uuid(one: Disk, fstype: str, uuid: str) -> None:
    if fstype == "ext4":
        one.run("e2fsck", "-f", "-p")
        one.run("tune2fs", "-f", "-U", uuid)
    else:
        one.run("xfs_admin", "-U", uuid)


@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
async def test_a_stranger_with_a_volume_s_uuid_that_is_mounted_on_the_node_holds_it_no_longer_than_that(
    tmp_path: Path, spare: Disk, fstype: str
) -> None:
    """
    The kernel mounts no second xfs of one UUID. That stays so: it also keeps the same disk from being mounted under a
    second device name. Root there can hold the volume by it, and read why; nothing of either disk is harmed.
    """
    controller = FakeController()
    with disk(tmp_path, "victim", 512 * MIB) as victim, disk(tmp_path, "hostile", 512 * MIB) as hostile:
        controller.grant(victim.grant(VOLUME, fstype=fstype))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            (await gate.mount(VOLUME, "a") / "row").write_text("kept")
            await gate.unmount(VOLUME, "a")
            hostile.run(f"mkfs.{fstype}", "-q", *MKFS_UUID[fstype].format(victim.fs_uuid).split())
            where = tmp_path / "by root"
            where.mkdir()
            subprocess.run(["mount", "-t", fstype, hostile.loop, where], check=True)  # noqa: ASYNC221 -- a moment
            controller.grant(victim.grant(VOLUME, serial=2, fstype=fstype, may_format=False))
            if fstype == "xfs":
                with pytest.raises(GateError, match="could not be mounted"):
                    await gate.mount(VOLUME, "b")
            subprocess.run(["umount", where], check=True)  # noqa: ASYNC221 -- a moment
            controller.grant(victim.grant(VOLUME, serial=3, fstype=fstype, may_format=False))
            assert (await gate.mount(VOLUME, "b") / "row").read_text() == "kept"
            await gate.unmount(VOLUME, "b")


MKFS_UUID = {"ext4": "-U {0}", "xfs": "-m uuid={0}"}


async def test_a_file_system_with_many_names_in_its_root_is_handed_out_as_any_other(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """Nothing looks through what a disk brings along."""

    def leave(root: Path) -> None:
        for number in range(10_000):
            (root / f"{number}{'x' * 200}").touch()
        deep = root / "data"
        for _ in range(200):
            deep = deep / "d"
        deep.mkdir(parents=True)

    left_on(spare, tmp_path, leave)
    async with asyncio.timeout(60), running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        assert [each.name for each in path.iterdir()] == ["d"]
        await gate.unmount(VOLUME, "a")


async def test_a_file_system_that_calls_more_free_than_it_has_is_told_as_empty(
    own_mounts: None, tmp_path: Path
) -> None:
    """A controller refuses a number below 0, and with it all that the gate says of its node."""
    controller = FakeController()
    with disk(tmp_path, size=400 * MIB) as spare:
        spare.run("mkfs.xfs", "-q", "-m", f"uuid={spare.fs_uuid}")
        (blocks,) = re.findall(r"dblocks = (\d+)", spare.run("xfs_db", "-r", "-c", "sb 0", "-c", "print dblocks"))
        spare.run("xfs_db", "-x", "-c", "sb 0", "-c", f"write fdblocks {blocks}")
        controller.grant(spare.grant(VOLUME, fstype="xfs", may_format=False))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            await gate.mount(VOLUME, "a")
            found = os.statvfs(tmp_path / "volumes" / spare.grant(VOLUME).key)
            assert found.f_bfree > found.f_blocks
            await until(lambda: (controller.said(VOLUME) or VolumeReport(VOLUME, "mounted", 0)).available > 0, 40)
            said = controller.said(VOLUME)
            assert said is not None
            assert said.used == 0
            await gate.unmount(VOLUME, "a")
