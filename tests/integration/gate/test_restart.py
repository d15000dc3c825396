"""What a gate says when it starts while containers still hold disks: nothing is free that was not looked at."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from controller.gate.jobs import GateError
from tests.support.gate_rig import Disk, FakeController, disk, host, running, until

pytestmark = pytest.mark.usefixtures("own_mounts")

VOLUME = "data"


@pytest.fixture
def controller(spare: Disk) -> FakeController:
    made = FakeController()
    made.grant(spare.grant(VOLUME))
    return made


@contextmanager
def container(directory: Path, path: Path) -> Iterator[Popen[bytes]]:
    """Keeps a bind mount of its own, and writes all the time."""
    inside, writes = directory / "inside", directory / "writes"
    inside.mkdir()
    shell = f"mount --bind '{path}' {inside}; while echo row >>{inside}/rows; do touch {writes}; sleep 0.05; done"
    process = Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", shell])
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@asynccontextmanager
async def disabled(directory: Path, controller: FakeController, spare: Disk) -> AsyncIterator[Popen[bytes]]:
    """
    A gate went away under a container that writes, and the controller wants the disk: dockerd has unmounted what was
    the plugin's.
    """
    async with running(host(directory), controller, directory) as gate:
        path = await gate.mount(VOLUME, "a")
        ending = container(directory, path)
        process = ending.__enter__()
        await until((directory / "writes").exists)
    try:
        await host(directory).unmount(directory / "volumes" / spare.grant(VOLUME).key)
        controller.release(VOLUME, 4)
        controller.syncs.clear()
        yield process
    finally:
        ending.__exit__(None, None, None)


async def test_gate_that_starts_calls_no_volume_unmounted_whose_container_still_writes(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """`docker plugin disable -f` and enable, a crash, an upgrade: the first word is "mounted", with its user."""
    async with (
        disabled(tmp_path, controller, spare) as process,
        running(host(tmp_path), controller, tmp_path) as gate,
    ):
        await until(lambda: len(controller.syncs) > 0)
        assert controller.syncs[0].volumes[0].users == (1,)
        await until(lambda: ("mounted", 4) in controller.history(VOLUME))
        await gate.unmount(VOLUME, "a")
        await asyncio.sleep(1)
        assert {state for state, _ in controller.history(VOLUME)} == {"mounted"}
        process.send_signal(signal.SIGKILL)
        process.wait()
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 4))


async def test_gate_that_starts_after_the_container_has_ended_says_so_soon(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """It looks at once, not after the next round."""
    async with disabled(tmp_path, controller, spare) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        async with running(host(tmp_path), controller, tmp_path):
            await until(lambda: controller.history(VOLUME)[-1:] == [("unmounted", 4)])
            assert controller.history(VOLUME)[0][0] == "mounted"


@pytest.mark.parametrize("damage", ["gone", "torn", "unreadable"])
async def test_gate_without_memory_calls_nothing_unmounted_while_a_disk_of_ours_is_in_use(
    tmp_path: Path, spare: Disk, controller: FakeController, damage: str
) -> None:
    """Its file was lost or damaged, and its mount is gone: whose the disk is it cannot tell, that it is used it can."""
    async with disabled(tmp_path, controller, spare) as process:
        state = tmp_path / "state" / "gate.json"
        if damage == "torn":
            state.write_bytes(state.read_bytes()[:40])
        else:
            state.unlink()
        if damage == "unreadable":
            state.mkdir()  # reading it is an error of the operating system
        async with running(host(tmp_path), controller, tmp_path):
            await until(lambda: len(controller.syncs) > 2)
            await asyncio.sleep(4)
            assert "unmounted" not in {state for state, _ in controller.history(VOLUME)}
            said = controller.said(VOLUME)
            assert said is not None
            assert "lost its memory" in (said.problem or "")
            process.send_signal(signal.SIGKILL)
            process.wait()
            await until(lambda: controller.history(VOLUME)[-1:] == [("unmounted", 4)])


async def test_gate_without_memory_hands_a_disk_that_is_in_use_to_nobody(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """The container of before may still be in there: a second one of its slot must not come beside it."""
    async with disabled(tmp_path, controller, spare) as process:
        (tmp_path / "state" / "gate.json").unlink()
        controller.releases.clear()
        controller.grant(spare.grant(VOLUME, serial=5, may_format=False))
        async with running(host(tmp_path), controller, tmp_path) as gate:
            with pytest.raises(GateError, match="lost its memory"):
                await gate.mount(VOLUME, "b")
            assert "unmounted" not in {state for state, _ in controller.history(VOLUME)}
            process.send_signal(signal.SIGKILL)
            process.wait()
            await until(lambda: controller.history(VOLUME)[-1:] == [("unmounted", 5)])
            controller.grant(spare.grant(VOLUME, serial=6, may_format=False))
            assert (await gate.mount(VOLUME, "b") / "rows").exists()
            await gate.unmount(VOLUME, "b")


async def test_gate_without_memory_goes_on_with_volumes_whose_disk_it_knows(
    tmp_path: Path, spare: Disk, controller: FakeController
) -> None:
    """One lost container holds what it may concern, and no volume that came since."""
    async with disabled(tmp_path, controller, spare):
        (tmp_path / "state" / "gate.json").unlink()
        with disk(tmp_path, "other") as other:
            controller.grant(other.grant("other"))
            async with running(host(tmp_path), controller, tmp_path) as gate:
                await gate.mount("other", "c")
                await gate.unmount("other", "c")
                await until(lambda: controller.history("other")[-1] == ("unmounted", 1))
                await until(lambda: controller.history(VOLUME)[-1:] == [("mounted", 4)])


async def test_gate_takes_no_disk_for_a_stray_that_is_not_ours(tmp_path: Path, spare: Disk) -> None:
    """The node's own disks are always in use, and have no label."""
    spare.run("mkfs.ext4", "-q")
    (tmp_path / "its-own").mkdir()
    subprocess.run(["mount", spare.loop, tmp_path / "its-own"], check=True)  # noqa: ASYNC221 -- a moment
    (tmp_path / "by-id" / "gone").symlink_to("/dev/not-there")
    assert await host(tmp_path).labelled_in_use() == frozenset()
    subprocess.run(["umount", tmp_path / "its-own"], check=True)  # noqa: ASYNC221 -- a moment
