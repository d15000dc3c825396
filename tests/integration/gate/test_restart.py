"""What a gate says when it starts while containers still hold disks: nothing is free that was not looked at."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.support.gate_rig import Disk, FakeController, host, running, until

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
        await host(directory).unmount(directory / "volumes" / spare.grant().key)
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
