"""Disks that answer nothing, or with errors, under real file systems: what is told, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from controller.gate.gate import Gate
from controller.gate.kernel.device import Device
from controller.gate.kernel.disk_check import Wanted
from controller.gate.kernel.filesystem import Proceed, Say
from controller.gate.kernel.host import KernelHost
from controller.gate.kernel.subprocesses import Stalled, signs_of
from tests.support.gate_rig import MIB, Disk, FakeController, disk, host, running, until
from tests.support.sick_disk import SickDisk, sick_disk

pytestmark = pytest.mark.usefixtures("own_mounts")

SIZES = {"ext4": 64 * MIB, "xfs": 400 * MIB}


def told(controller: FakeController, volume: str, what: str) -> bool:
    said = controller.said(volume)
    return said is not None and what in (said.problem or "") and said.suffers


def well(controller: FakeController, volume: str) -> bool:
    said = controller.said(volume)
    return said is not None and said.problem is None and not said.suffers


async def use_another(gate: Gate, controller: FakeController, spare: Disk) -> None:
    """A volume of the same node, from its Mount to its Unmount, and what Docker asks of all."""
    controller.grant(spare.grant("other", may_format=True))
    path = await gate.mount("other", "w")
    (path / "row").write_text("written")
    async with asyncio.timeout(5):
        assert {each.name for each in await gate.listed()} == {"data", "other"}
        assert (await gate.get("data")) is not None
    await gate.unmount("other", "w")
    await until(lambda: controller.history("other")[-1] == ("unmounted", 1))


@pytest.mark.parametrize("fstype", SIZES)
async def test_a_disk_that_stalls_is_told_until_it_answers_and_holds_nobody_else(tmp_path: Path, fstype: str) -> None:
    """Its read sits in the kernel. Hours of it cost no more threads than a minute."""
    controller = FakeController()
    with sick_disk(tmp_path, size=SIZES[fstype]) as sick, disk(tmp_path, "vol2") as spare:
        controller.grant(sick.grant("data", fstype=fstype))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            path = await gate.mount("data", "a")
            (path / "row").write_text("kept")
            os.sync()
            sick.stall()
            await until(lambda: told(controller, "data", "its disk does not answer: a read from the disk"), 60)

            threads = threading.active_count()
            await use_another(gate, controller, spare)
            for _ in range(20):
                await gate.get("data")
            await asyncio.sleep(10)  # some more looks
            assert threading.active_count() <= threads + 3  # the usage of it, and the other volume's last

            sick.go_on()
            await until(lambda: well(controller, "data"))
            assert (path / "row").read_text() == "kept"
            await gate.unmount("data", "a")


async def test_a_device_that_hangs_beside_the_disk_is_passed_by(tmp_path: Path) -> None:
    """A hypervisor may leave the device of a disk that it took, dead, under a name of the one that came since."""
    with sick_disk(tmp_path, "ghost") as ghost, disk(tmp_path, "vol2") as spare:
        ghost.stall()
        found = await host(tmp_path).find([ghost.name, spare.name])
        assert found is not None
        found.close()
        assert found.path == spare.loop
        with pytest.raises(Stalled, match="a read from the disk"):
            await host(tmp_path).find([ghost.name])
        assert [signs_of(each.loop, number(each)).awaited for each in (ghost, spare)] == [True, False]


def number(disk: Disk) -> str:
    found = Path(disk.loop).stat().st_rdev
    return f"{os.major(found)}:{os.minor(found)}"


BROKEN = {"no room below": errno.ENOSPC, "broken": errno.EIO}


def write_until_it_fails(path: Path) -> int:
    """Rows as a database commits them; how many were acknowledged before the first error."""
    with (path / "rows").open("ab", buffering=0) as file:
        for number in range(100_000):
            try:
                file.write(b"%07d\n" % number)
                os.fsync(file.fileno())
            except OSError:
                return number
    raise AssertionError("it never failed")


@pytest.mark.parametrize("why", BROKEN)
@pytest.mark.parametrize("fstype", SIZES)
async def test_storage_that_refuses_writes_is_told_and_mended_with_the_next_container(
    tmp_path: Path, fstype: str, why: str
) -> None:
    """A thin pool below is full, or a disk broken: every row that was acknowledged is there afterwards."""
    controller = FakeController()
    with sick_disk(tmp_path, size=SIZES[fstype]) as sick:
        controller.grant(sick.grant("data", fstype=fstype))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            path = await gate.mount("data", "a")
            sick_later(sick, BROKEN[why])
            kept = await asyncio.to_thread(write_until_it_fails, path)
            with suppress(OSError):
                (path / "more").write_text("for the journal")
            await until(lambda: told(controller, "data", "after an error"), 90)

            sick.mend()
            await gate.unmount("data", "a")
            controller.grant(sick.grant("data", serial=2, fstype=fstype, may_format=False))
            path = await gate.mount("data", "b")
            rows = (path / "rows").read_bytes().split()
            assert rows[:kept] == [b"%07d" % number for number in range(kept)]
            (path / "again").write_text("writable")
            await until(lambda: well(controller, "data"))
            await gate.unmount("data", "b")


def sick_later(sick: SickDisk, number: int) -> None:
    """After a while of good service."""
    threading.Timer(1.0, lambda: sick.fail("write", number)).start()


async def test_a_check_behind_a_disk_that_stalls_is_told_as_stalled_and_ends_when_it_answers(tmp_path: Path) -> None:
    """e2fsck has begun. It is not ended, nobody else is held, and the task that waits then gets what it checked."""
    controller = FakeController()
    with sick_disk(tmp_path) as sick, disk(tmp_path, "vol2") as spare:
        controller.grant(sick.grant("data"))
        async with running(StallsAtChecks(tmp_path, sick), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
            await gate.create("data", {})
            await gate.mount("data", "before")
            await gate.unmount("data", "before")
            sick.run("tune2fs", "-c", "1", "-C", "9")  # so that the next check reads and writes all of it
            controller.grant(sick.grant("data", serial=2, may_format=False))
            mount = tasks.create_task(gate.mount("data", "a"))
            await until(lambda: told(controller, "data", f"is stalled: the disk {sick.loop} ("), 60)
            said = controller.said("data")
            assert said is not None
            assert (said.state, said.suffers, gate.volumes.volume("data").awaited) == ("mounting", True, said.problem)
            assert f"checking {sick.loop} (e2fsck -p): it has run since" in (said.problem or "")
            program = checking(sick)
            assert program

            await use_another(gate, controller, spare)
            assert not mount.done()
            assert checking(sick) == program
            sick.go_on()
            (await mount / "row").write_text("written")
            await until(lambda: well(controller, "data"))
            await gate.unmount("data", "a")


async def check_that_outlives_its_gate(directory: Path, controller: FakeController, sick: SickDisk) -> list[int]:
    """The gate dies while its e2fsck sits in the kernel, on a disk that answers nothing."""
    controller.grant(sick.grant("data"))
    async with running(StallsAtChecks(directory, sick), controller, directory) as gate, asyncio.TaskGroup() as tasks:
        await gate.create("data", {})
        await gate.mount("data", "before")
        await gate.unmount("data", "before")
        sick.run("tune2fs", "-c", "1", "-C", "9")
        controller.grant(sick.grant("data", serial=2, may_format=False))
        call = tasks.create_task(gate.mount("data", "a"))
        await until(lambda: checking(sick) != [], 60)
        call.cancel()
    return checking(sick)


async def test_a_gate_that_starts_beside_a_check_of_before_waits_for_its_end_says_so_and_begins_no_second(
    tmp_path: Path,
) -> None:
    """It may write whenever its disk answers: the volume is not called unmounted, and nobody gets it."""
    controller = FakeController()
    with sick_disk(tmp_path) as sick, disk(tmp_path, "vol2") as spare:
        program = await check_that_outlives_its_gate(tmp_path, controller, sick)
        controller.release("data", 2)
        controller.syncs.clear()
        async with running(host(tmp_path), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
            await until(lambda: said_of(controller, "data", "a program on this node still has the disk"), 60)
            await use_another(gate, controller, spare)
            controller.grant(sick.grant("data", serial=3, may_format=False))
            mount = tasks.create_task(gate.mount("data", "b"))
            await asyncio.sleep(20)
            assert (len(program), checking(sick), mount.done()) == (1, program, False)
            assert {state for state, _ in controller.history("data")} == {"mounted"}
            sick.go_on()
            while not mount.done():
                assert len(checking(sick)) <= 1
                await asyncio.sleep(0.001)
            (await mount / "row").write_text("written")
            await gate.unmount("data", "b")
            await until(lambda: controller.history("data")[-1] == ("unmounted", 3))


def said_of(controller: FakeController, volume: str, what: str) -> bool:
    said = controller.said(volume)
    return said is not None and what in (said.problem or "")


async def test_a_program_that_has_a_disk_of_before_is_waited_for_and_what_it_left_is_checked(tmp_path: Path) -> None:
    """Also where this gate knows nothing of it: the mount would fail, or come without a check if it ends meanwhile."""
    controller = FakeController()
    with disk(tmp_path) as spare:
        controller.grant(spare.grant("data"))
        async with running(host(tmp_path), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
            await gate.mount("data", "a")
            await gate.unmount("data", "a")
            controller.grant(spare.grant("data", serial=2, may_format=False))
            held = os.open(spare.loop, os.O_RDWR | os.O_EXCL)
            mount = tasks.create_task(gate.mount("data", "b"))
            volume = gate.volumes.volume("data")
            await until(lambda: f"waiting for a program that has {spare.loop}" in volume.awaited)
            await asyncio.sleep(2)
            assert not mount.done()
            os.close(held)
            await mount
            await gate.unmount("data", "b")


class StallsAtChecks(KernelHost):
    """The kernel, and a disk that answers nothing from the moment when its check begins."""

    def __init__(self, directory: Path, sick: SickDisk) -> None:
        super().__init__(directory / "volumes", directory / "by-id")
        self._sick = sick

    async def prepare(self, device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None:  # type: ignore[override]
        def told_first(step: str) -> None:
            if step.startswith("checking"):
                self._sick.stall()
            say(step)

        await super().prepare(device, wanted, told_first if device.path == self._sick.loop else say, proceed)


def checking(sick: SickDisk) -> list[int]:
    """The checks of that disk that are under way."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if each.read_bytes() == b"e2fsck\0-p\0" + sick.loop.encode() + b"\0":
                found.append(int(each.parent.name))
    return found
