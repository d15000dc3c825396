"""Law 4 and law 5 on real disks: what is on them decides, and nothing that is not surely ours is touched."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from controller.gate.gate import Gate
from controller.gate.jobs import GateError
from controller.gate.kernel import filesystem
from controller.gate.kernel.disk_check import Wanted
from tests.support.gate_rig import MIB, Disk, FakeController, crash, disk, host, running, until

pytestmark = pytest.mark.usefixtures("own_mounts")

VOLUME = "data"


async def mounted_once(directory: Path, controller: FakeController, mount_id: str = "m1") -> Path:
    async with running(host(directory), controller, directory) as gate:
        return await gate.mount(VOLUME, mount_id)


async def unmounted(gate: Gate, mount_id: str = "m1") -> None:
    await gate.unmount(VOLUME, mount_id)


async def test_blank_disk_is_formatted_with_the_uuid_of_the_record_and_handed_out_empty(
    tmp_path: Path, spare: Disk
) -> None:
    """A blank disk gets the record's file system; the container sees an empty directory and its epoch."""
    controller = FakeController()
    controller.grant(spare.grant())
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "m1")

        assert list(path.iterdir()) == []
        assert os.getxattr(path, "user.reberth.epoch") == b"3"
        assert (path.parent / "lost+found").is_dir()
        await unmounted(gate)
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 1))
    assert spare.fs_uuid in spare.run("blkid", "-p", "-o", "export")


async def test_record_learns_of_the_format_before_anything_is_mounted(tmp_path: Path, spare: Disk) -> None:
    """While the controller has not answered the report of the format, the disk is not mounted."""
    controller = FakeController(mute=True)
    controller.grant(spare.grant())
    async with running(host(tmp_path), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gate.mount(VOLUME, "m1"))
        telling = "telling the controller that the disk has its file system"
        await until(lambda: gate.volumes.volume(VOLUME).reason == telling)
        assert host(tmp_path).mounted() == {}
        controller.mute = False
        gate.volumes.touch()
        call.cancel()


FOREIGN = {
    "ext4 of another": lambda d: d.run("mkfs.ext4", "-q"),
    "xfs": lambda d: d.run("mkfs.xfs", "-q", "-f"),
    "swap": lambda d: d.run("mkswap", "-q"),
    "a partition table": lambda d: d.write(
        446, bytes([0, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0]) + bytes(48) + b"\x55\xaa"
    ),
    "LVM": lambda d: d.write(
        512, b"LABELONE" + (1).to_bytes(8, "little") + bytes(4) + (32).to_bytes(4, "little") + b"LVM2 001" + b"a" * 32
    ),
    "RAID at its end": lambda d: d.write(d.size - 64 * 1024, (0xA92B4EFC).to_bytes(4, "little") + b"\1" * 60),
    "garbage where a superblock was": lambda d: d.write(1024, b"\xde\xad\xbe\xef" * 64),
    "data at its very end": lambda d: d.write(d.size - 512, b"user data"),
}


@pytest.mark.parametrize("before", FOREIGN.values(), ids=FOREIGN.keys())
async def test_disk_that_is_not_blank_is_never_formatted(tmp_path: Path, before: object) -> None:
    """Whatever is on the disk stays there to the last byte, and the error says what was found and what to do."""
    size = 400 * MIB if before is FOREIGN["xfs"] else 64 * MIB
    with disk(tmp_path, size=size) as spare:
        before(spare)  # type: ignore[operator]
        kept = spare.read()
        controller = FakeController()
        controller.grant(spare.grant())

        with pytest.raises(GateError, match="Reberth neither formats nor mounts it"):
            await mounted_once(tmp_path, controller)

        assert spare.read() == kept
        assert host(tmp_path).mounted() == {}


@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
async def test_second_mount_keeps_what_the_first_wrote(tmp_path: Path, fstype: str) -> None:
    """A disk is formatted once: also while the record still says never formatted."""
    with disk(tmp_path, size=(64 if fstype == "ext4" else 400) * MIB) as spare:
        controller = FakeController()
        for serial in (1, 2):
            controller.grant(spare.grant(serial=serial, fstype=fstype))
            async with running(host(tmp_path), controller, tmp_path) as gate:
                path = await gate.mount(VOLUME, "m1")
                if serial == 1:
                    (path / "kept").write_text("yes")
                assert (path / "kept").read_text() == "yes"
                await unmounted(gate)


async def test_wrong_uuid_is_refused(tmp_path: Path, spare: Disk) -> None:
    """A file system that is not the record's is not mounted, formatted before or not."""
    spare.run("mkfs.ext4", "-q", "-U", "99999999-1111-4222-8333-444444444444")
    controller = FakeController()
    controller.grant(spare.grant(may_format=False))

    with pytest.raises(GateError, match=r"expected ext4 .* but found ext4 99999999"):
        await mounted_once(tmp_path, controller)


async def test_blank_disk_of_a_formatted_volume_is_refused(tmp_path: Path, spare: Disk) -> None:
    """An empty disk in place of the volume's own never reaches a container."""
    controller = FakeController()
    controller.grant(spare.grant(may_format=False))

    with pytest.raises(GateError, match="was formatted before, but the disk has no file system"):
        await mounted_once(tmp_path, controller)


@pytest.mark.parametrize("delta", [MIB, -1024 * MIB], ids=["too small", "far too large to be the new one"])
async def test_disk_of_the_wrong_size_is_refused(tmp_path: Path, spare: Disk, delta: int) -> None:
    """The size must be the volume's before anything is written."""
    with disk(tmp_path, "large", size=1100 * MIB) as large:
        one = spare if delta > 0 else large
        controller = FakeController()
        controller.grant(one.grant(size_bytes=one.size + delta))

        with pytest.raises(GateError, match="the wrong disk"):
            await mounted_once(tmp_path, controller)


async def test_crash_after_mkfs_is_resumed_without_a_second_mkfs(tmp_path: Path, spare: Disk) -> None:
    """The file system that was made before the crash is taken as it is."""
    spare.run("mkfs.ext4", "-q", "-U", spare.fs_uuid)
    made = spare.run("dumpe2fs", "-h")
    controller = FakeController()
    controller.grant(spare.grant())
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "m1")
        await unmounted(gate)

    assert _line(made, "Directory Hash Seed") == _line(spare.run("dumpe2fs", "-h"), "Directory Hash Seed")


async def test_of_two_devices_that_a_disk_may_have_the_one_that_answers_is_taken(tmp_path: Path, spare: Disk) -> None:
    """A disk that was taken and came back elsewhere may still have its old device beside the new one."""
    with disk(tmp_path, "ghost") as ghost:
        ghost.run("losetup", "--direct-io=on")
        with ghost.image.open("r+b") as image:
            image.truncate(0)
        for names, loop in (([ghost.name, spare.name], spare.loop), ([ghost.name], ghost.loop)):
            found = await host(tmp_path).find(names)
            assert found is not None
            found.close()
            assert found.path == loop


async def test_crash_inside_mkfs_is_made_good_by_whoever_gets_the_disk_next(tmp_path: Path, spare: Disk) -> None:
    """Remains without a superblock are ours if the disk's own label says so, and only then."""
    found = await host(tmp_path).find([spare.name])
    assert found is not None
    wanted = Wanted("ext4", spare.fs_uuid, spare.size, may_format=True)
    await filesystem.prepare(found, wanted, lambda _: None, lambda: None)
    found.close()
    spare.write(1024, bytes(1024))  # mke2fs writes its superblock last
    controller = FakeController()
    controller.grant(spare.grant(fs_uuid="99999999-1111-4222-8333-444444444444"))
    with pytest.raises(GateError, match="is not empty"):
        await mounted_once(tmp_path, controller)

    controller.grant(spare.grant(serial=2))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "m1")
        await unmounted(gate)


async def test_cut_off_mkfs_xfs_is_made_good(tmp_path: Path) -> None:
    """An xfs of ours that says in progress is made again; after the record knew of it, it is refused."""
    with disk(tmp_path, size=400 * MIB) as spare:
        spare.run("mkfs.xfs", "-q", "-m", f"uuid={spare.fs_uuid}")
        spare.write(126, b"\1")
        controller = FakeController()
        controller.grant(spare.grant(fstype="xfs", may_format=False))
        with pytest.raises(GateError, match="never finished"):
            await mounted_once(tmp_path, controller)

        controller.grant(spare.grant(fstype="xfs", serial=2))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            await gate.mount(VOLUME, "m1")
            await unmounted(gate)


async def test_journal_is_replayed_after_a_power_cut(tmp_path: Path, spare: Disk) -> None:
    """What was acknowledged before the cut is there afterwards."""
    controller = FakeController()
    controller.grant(spare.grant())
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "m1")
        with (path / "row").open("w") as file:
            file.write("acknowledged")
            file.flush()
            os.fsync(file.fileno())
        crash(path)
        await unmounted(gate)
    assert "needs_recovery" in spare.run("dumpe2fs", "-h")

    controller.grant(spare.grant(serial=2, may_format=False))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "m2")

        assert (path / "row").read_text() == "acknowledged"
        await unmounted(gate, "m2")


async def test_file_system_that_fsck_cannot_mend_is_not_mounted(tmp_path: Path, spare: Disk) -> None:
    """A damage that needs a person is left to the person, with what e2fsck said."""
    spare.run("mkfs.ext4", "-q", "-U", spare.fs_uuid)
    spare.run("debugfs", "-w", "-R", "clri <2>")
    spare.run("debugfs", "-w", "-R", "ssv state 2")
    controller = FakeController()
    controller.grant(spare.grant(may_format=False))

    with pytest.raises(GateError, match="e2fsck -p ended with 4"):
        await mounted_once(tmp_path, controller)


async def test_name_that_leads_to_a_plain_file_is_refused(tmp_path: Path, spare: Disk) -> None:
    """Only block devices are disks."""
    (tmp_path / "by-id" / "file").symlink_to(spare.image)
    controller = FakeController()
    controller.grant(spare.grant(by_id=("file",)))

    with pytest.raises(GateError, match="not a block device"):
        await mounted_once(tmp_path, controller)


async def test_name_with_a_way_out_of_by_id_is_refused(tmp_path: Path, spare: Disk) -> None:
    """What comes over the network is a name, not a path."""
    controller = FakeController()
    controller.grant(spare.grant(by_id=(f"../../../..{spare.loop}",)))

    with pytest.raises(GateError, match="is not a name under"):
        await mounted_once(tmp_path, controller)


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


async def test_the_directory_gets_its_owner_once_and_the_mount_its_options(tmp_path: Path, spare: Disk) -> None:
    """For images that do not run as root; what the application changes later stays."""
    controller = FakeController()
    said: dict[str, Any] = {"uid": 472, "gid": 1000, "mode": 0o750, "mount_options": ("noatime", "noexec")}
    controller.grant(spare.grant(**said))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "m1")
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (472, 1000, 0o750)
        flags = os.statvfs(path).f_flag
        assert all(flags & each for each in (os.ST_NOATIME, os.ST_NOEXEC, os.ST_NOSUID, os.ST_NODEV))
        path.chmod(0o700)
        await unmounted(gate)
        controller.grant(spare.grant(serial=2, may_format=False, **said))
        again = (await gate.mount(VOLUME, "m2")).stat()
        assert (again.st_uid, stat.S_IMODE(again.st_mode)) == (472, 0o700)
        await unmounted(gate, "m2")
