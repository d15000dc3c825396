"""The gate's counts, restarts and orders, on real mounts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest

from controller.gate.state_file import INHERITED
from controller.model import BootId
from controller.protocol.machine import Machine
from tests.support.gate_rig import VM, Disk, FakeController, disk, host, running, until

pytestmark = pytest.mark.usefixtures("own_mounts")

VOLUME = "odd name/ä {x}"


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


def is_mounted(directory: Path) -> bool:
    return bool(host(directory).mounted())


def in_own_namespace(shell: str) -> subprocess.Popen[bytes]:
    """Like a container: it keeps a bind mount of its own."""
    return subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", shell])


async def test_volume_stays_mounted_until_its_last_user_goes(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """Each mount ID counts once, however often it comes; an ID that is not known takes nobody's mount away."""
    controller.grant(spare.grant(VOLUME, may_format=False, mounts=2))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        first, again, second = await asyncio.gather(
            gate.mount(VOLUME, "a"), gate.mount(VOLUME, "a"), gate.mount(VOLUME, "b")
        )
        assert first == again == second == tmp_path / "volumes" / spare.grant(VOLUME).key / "data"

        await gate.unmount(VOLUME, "never seen")
        await gate.unmount(VOLUME, "a")
        await gate.unmount(VOLUME, "a")
        assert is_mounted(tmp_path)

        await gate.unmount(VOLUME, "b")
        assert not is_mounted(tmp_path)
        assert not first.parent.exists()
        assert gate.volumes.volume(VOLUME).path is None
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 1))


async def test_unmount_of_what_is_not_mounted_is_fine(tmp_path: Path, controller: FakeController) -> None:
    """Docker repeats itself after its own restart."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.unmount(VOLUME, "a")


async def test_restarted_gate_knows_its_users_from_file_and_mount_table(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """A crash of the gate's process loses no count: the first Unmount does not take the second user's mount."""
    controller.grant(spare.grant(VOLUME, may_format=False, mounts=2))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
        await gate.mount(VOLUME, "b")

    async with running(host(tmp_path), controller, tmp_path) as gate:
        report = gate.volumes.report()[0]
        assert (report.name, report.state, report.serial, report.users) == (VOLUME, "mounted", 1, (1, 1))
        known = await gate.get(VOLUME)
        assert known is not None
        assert known.mountpoint == tmp_path / "volumes" / spare.grant(VOLUME).key / "data"
        await gate.unmount(VOLUME, "a")
        assert is_mounted(tmp_path)
        await gate.unmount(VOLUME, "b")
        assert not is_mounted(tmp_path)


async def test_gate_that_lost_its_file_takes_the_name_from_the_mount(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """Without memory a mount has an unknown user, who is the one that an Unmount with an unknown ID is about."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
    (tmp_path / "state" / "gate.json").write_text("{broken")

    async with running(host(tmp_path), controller, tmp_path) as gate:
        assert gate.volumes.volume(VOLUME).users == {INHERITED}
        said = gate.volumes.report()[0]
        assert (said.state, said.users) == ("mounted", (0,))
        await gate.unmount(VOLUME, "a")
        assert not is_mounted(tmp_path)


async def test_users_of_an_earlier_boot_are_gone(tmp_path: Path, spare: Disk, controller: FakeController) -> None:
    """After a reboot nothing is mounted or promised, whatever the file says; the epochs may have begun anew."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
    spare.run("umount")
    reboot = Machine(VM, BootId("22222222-aaaa-4bbb-8ccc-000000000002"))

    async with running(host(tmp_path), controller, tmp_path, lambda: reboot) as gate:
        assert gate.volumes.volume(VOLUME).users == frozenset()
        assert gate.volumes.report() == ()
        assert gate.volumes.volume(VOLUME).spent(spare.grant(VOLUME, serial=1, epoch=1)) is None


async def test_disk_held_by_another_namespace_is_not_called_unmounted(
    tmp_path: Path, controller: FakeController
) -> None:
    """A mount that was copied into a namespace can still write: the controller hears of it until it is gone."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        copied = tmp_path / "copied"
        (tmp_path / "elsewhere").mkdir()
        shell = f"mount --bind '{path}' {tmp_path}/elsewhere; touch {copied}; exec sleep 600"
        holder = in_own_namespace(shell)
        try:
            await until(copied.exists)
            await gate.unmount(VOLUME, "a")
            assert not is_mounted(tmp_path)
            report = gate.volumes.report()[0]
            assert report.state == "mounted"
            assert "another mount namespace" in (report.problem or "")
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 1))


async def test_docker_cp_takes_nothing_from_the_container_that_runs(tmp_path: Path, controller: FakeController) -> None:
    """Docker mounts and unmounts for it under the container's own mount ID."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        holder = in_own_namespace(f"mount --bind '{path}' {tmp_path}/state; touch {tmp_path}/copied; exec sleep 600")
        try:
            await until((tmp_path / "copied").exists)
            for _ in range(2):
                assert await gate.mount(VOLUME, "a") == path
                await gate.unmount(VOLUME, "a")
                assert is_mounted(tmp_path)
            assert (gate.volumes.report()[0].users, gate.volumes.report()[0].problem) == ((1,), None)
        finally:
            holder.kill()
            holder.wait()
        await gate.unmount(VOLUME, "a")
        assert not is_mounted(tmp_path)


async def test_busy_mount_stays_counted_and_says_why(tmp_path: Path, controller: FakeController) -> None:
    """An Unmount that failed is an error; the next one, when the reason is gone, succeeds."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        with (path / "open").open("w"):
            with pytest.raises(Exception, match="busy"):
                await gate.unmount(VOLUME, "a")
            assert gate.volumes.report()[0].mounts == 1
            assert "busy" in (gate.volumes.report()[0].problem or "")
        await gate.unmount(VOLUME, "a")
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 1))


async def test_vanished_disk_is_unmounted_and_reported(tmp_path: Path, spare: Disk, controller: FakeController) -> None:
    """A disk that lost its size under a mount leaves no ghost behind, and a later Unmount is no error."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
        with spare.image.open("r+b") as file:
            file.truncate(0)
        spare.run("losetup", "--set-capacity")

        await until(lambda: not is_mounted(tmp_path))
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 1))
        await gate.unmount(VOLUME, "a")


async def test_disk_that_comes_late_is_waited_for(tmp_path: Path, controller: FakeController) -> None:
    """The grant may be faster than udev."""
    with disk(tmp_path, "late", plugged=False) as late:
        controller.grant(late.grant("late"))
        async with running(host(tmp_path), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
            call = tasks.create_task(gate.mount("late", "a"))
            await until(lambda: "to appear as /dev/disk/by-id/not-there or" in gate.volumes.volume("late").reason)
            late.plug()
            assert (await call).is_dir()
            await gate.unmount("late", "a")


async def test_release_during_a_mount_stops_it_before_the_disk_is_touched(
    tmp_path: Path, controller: FakeController
) -> None:
    """After "unmounted, serial 7" no grant up to 7 mounts, also the one that was under way; the next one does."""
    with disk(tmp_path, "late", plugged=False) as late:
        controller.grant(late.grant("late", serial=5))
        async with running(host(tmp_path), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
            call = tasks.create_task(gate.mount("late", "a"))
            await until(lambda: controller.history("late")[-1:] == [("mounting", 5)])
            controller.release("late", 7)
            await until(lambda: controller.history("late")[-1:] == [("unmounted", 7)])

            late.plug()
            await asyncio.sleep(0.3)
            assert not is_mounted(tmp_path)
            assert late.read()[: 1 << 16] == bytes(1 << 16)
            assert not call.done()

            controller.grant(late.grant("late", serial=8))
            await call
            assert controller.history("late")[-1][1] == 8
            await gate.unmount("late", "a")


async def test_release_unmounts_what_nobody_uses_and_leaves_what_is_used(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """A container's disk is not pulled away; its next Mount under an old grant is refused."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
        controller.release(VOLUME, 4)
        await until(lambda: controller.history(VOLUME)[-1] == ("mounted", 4))
        assert is_mounted(tmp_path)

        await gate.unmount(VOLUME, "a")
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 4))


async def test_user_that_dockerd_forgot_does_not_keep_the_disk(tmp_path: Path, controller: FakeController) -> None:
    """A killed dockerd never says Unmount: when the controller asks, a user without a container counts no more."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")

    async with running(host(tmp_path), controller, tmp_path) as gate:
        controller.release(VOLUME, 4)
        await until(lambda: controller.history(VOLUME)[-1] == ("mounted", 4))
        gate.volumes.volume(VOLUME).inherit(asyncio.get_running_loop().time() - 3600)
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 4))
        assert not is_mounted(tmp_path)


async def test_user_from_before_the_restart_keeps_the_disk_while_its_container_lives(
    tmp_path: Path, controller: FakeController
) -> None:
    """Asking for the disk takes nothing from a container that was there before the gate's restart."""
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        (path / "row").write_text("kept")
    copied, elsewhere = tmp_path / "copied", tmp_path / "elsewhere"
    elsewhere.mkdir()
    holder = in_own_namespace(f"mount --bind '{path}' {elsewhere}; touch {copied}; exec sleep 600")
    try:
        await until(copied.exists)
        async with running(host(tmp_path), controller, tmp_path) as gate:
            gate.volumes.volume(VOLUME).inherit(asyncio.get_running_loop().time() - 3600)
            controller.release(VOLUME, 4)
            await until(lambda: not gate.volumes.volume(VOLUME).doubtful())
            assert (path / "row").read_text() == "kept"
            assert gate.volumes.report()[0].state == "mounted"

            holder.send_signal(signal.SIGKILL)
            holder.wait()
            await gate.unmount(VOLUME, "a")
            await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 4))
    finally:
        holder.kill()
        holder.wait()


async def test_promise_outlives_the_process(tmp_path: Path, controller: FakeController, spare: Disk) -> None:
    """What was refused before the gate's crash is refused after it."""
    controller.release(VOLUME, 9)
    async with running(host(tmp_path), controller, tmp_path):
        await until(lambda: controller.history(VOLUME)[-1:] == [("unmounted", 9)])

    async with running(host(tmp_path), controller, tmp_path) as gate:
        assert [(one.state, one.serial) for one in gate.volumes.report()] == [("unmounted", 9)]
        assert gate.volumes.volume(VOLUME).spent(spare.grant(VOLUME, serial=9)) is not None
        assert gate.volumes.volume(VOLUME).spent(spare.grant(VOLUME, serial=10)) is None
