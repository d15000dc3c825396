"""Copies on real libvirt and QEMU: who may touch the files meanwhile, and what a daemon that is killed leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

import pytest

from controller.model import DiskId, Epoch, Spec, VmId, VolumeKey
from drivers.base import Created, CreateOutcome, Done, InDoubt, Refused
from drivers.libvirt.driver import LibvirtDriver
from drivers.libvirt.inventory import MARK
from drivers.libvirt.settings import Settings
from tests.libvirtd.hypervisor import Hypervisor, until
from tests.libvirtd.site import Site, shared_site

T = TypeVar("T")
ONE = Epoch(1)
SIZE = 192 * 2**20
SOURCE, COPY = VolumeKey("source"), VolumeKey("copy")
FORMATS = ("qcow2", "raw")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = await asyncio.to_thread(shared_site)
    await asyncio.to_thread(made.reset)
    yield made
    await asyncio.to_thread(made.reset)


@pytest.fixture(params=FORMATS)
async def drivers(request: pytest.FixtureRequest, site: Site) -> AsyncIterator[tuple[LibvirtDriver, LibvirtDriver]]:
    """Two controllers."""
    made = [LibvirtDriver(Settings.parse(site.settings(look_timeout=20.0, format=request.param))) for _ in range(2)]
    yield made[0], made[1]
    for each in made:
        await each.close()


def running(host: Hypervisor) -> VmId:
    vm = host.define()
    host.start(vm)
    return vm


def pattern(disk: str, act: str = "read") -> None:
    """All of it written, or read back and compared."""
    extension = disk.rsplit(".", 1)[-1]
    done = subprocess.run(
        ["qemu-io", "-f", extension, "-c", f"{act} -P 0xab 0 {SIZE}", disk], capture_output=True, text=True, check=True
    )
    assert "verification failed" not in done.stdout, done.stdout


async def source_of(driver: LibvirtDriver) -> DiskId:
    created = await driver.create(SOURCE, Spec(SIZE))
    assert isinstance(created, Created), created
    await asyncio.to_thread(pattern, created.disk, "write")
    return created.disk


@asynccontextmanager
async def halted(host: Hypervisor) -> AsyncIterator[None]:
    """libvirt copies qcow2 by a program of QEMU's, which is stopped in the middle of it, until the end of the block."""
    pids = await asyncio.to_thread(_halt, host)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _halt(host: Hypervisor) -> list[int]:
    """Once it has written something. It must be slow: see `Hypervisor.slow_copies`."""
    half = host.pool / "reberth-copy.qcow2"
    until(lambda: half.exists() and half.stat().st_size >= 2**20, "it copies")
    pids = host.pids("qemu-img")
    _signal(pids, signal.SIGSTOP)
    assert pids, "the copy was over before it could be halted"
    return pids


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def whole(driver: LibvirtDriver, site: Site, source: DiskId) -> None:
    """By calls that are made again and again, as the loop does."""
    async with asyncio.timeout(60):
        while True:
            outcome = await driver.clone(COPY, Spec(SIZE), source)
            if isinstance(outcome, Created):
                break
            await asyncio.sleep(0.2)
    await asyncio.to_thread(pattern, outcome.disk)
    assert await driver.keys("") == [COPY, SOURCE]
    assert sorted(file.name.rsplit(".", 1)[0] for file in site.pool.iterdir()) == ["reberth-copy", "reberth-source"]


async def test_a_copy_has_every_byte_of_its_source_and_leaves_nothing_else(
    site: Site, drivers: tuple[LibvirtDriver, LibvirtDriver]
) -> None:
    source = await source_of(drivers[0])
    await whole(drivers[0], site, source)


@pytest.mark.parametrize("drivers", ["qcow2"], indirect=True)
async def test_while_a_disk_is_copied_no_controller_attaches_or_deletes_it(
    site: Site, drivers: tuple[LibvirtDriver, LibvirtDriver]
) -> None:
    """Ours knows of the copy; another one meets the lock that QEMU's tool has on the image."""
    source, vm = await source_of(drivers[0]), await asyncio.to_thread(running, site.hosts[0])
    async with asyncio.TaskGroup() as group:
        with site.hosts[0].slow_copies():
            copying = group.create_task(drivers[0].clone(COPY, Spec(SIZE), source))
            async with halted(site.hosts[0]):
                for driver in drivers:
                    (refused,) = await driver.attach([source], vm, ONE)
                    assert isinstance(refused, Refused), refused
                    assert isinstance(await driver.delete(source), Refused)
                assert isinstance(await drivers[1].clone(COPY, Spec(SIZE), source), Refused)
                assert not copying.done()
    await whole(drivers[0], site, source)
    assert list(await drivers[0].attach([source], vm, ONE)) == [Done()]


@pytest.mark.parametrize("drivers", ["qcow2"], indirect=True)
async def test_a_half_copy_of_a_daemon_that_was_killed_is_made_anew(
    site: Site, drivers: tuple[LibvirtDriver, LibvirtDriver]
) -> None:
    """libvirt cannot tell it from a whole one, but it has our mark."""
    source, host = await source_of(drivers[0]), site.hosts[0]
    async with asyncio.TaskGroup() as group:
        with host.slow_copies():
            copying = group.create_task(drivers[0].clone(COPY, Spec(SIZE), source))
            async with halted(host):
                await asyncio.to_thread(host.stop_daemon)
                _signal(host.pids("qemu-img"), signal.SIGKILL)
    assert isinstance(copying.result(), InDoubt), copying.result()
    await asyncio.to_thread(host.start_daemon)
    assert (site.pool / "reberth-copy.qcow2").exists()
    assert await drivers[1].keys("") == [SOURCE]
    await whole(drivers[1], site, source)


class Hanging(LibvirtDriver):
    """A controller that hangs once, before a call to libvirt that ``when`` says yes to, while ``then`` happens."""

    def __init__(self, settings: Settings, when: Callable[[partial[object]], bool], then: Callable[[], object]) -> None:
        self.when, self.then = when, then
        self.hung = False
        super().__init__(settings)

    async def _run_first(self, act: Callable[[], T], seconds: float | None = None) -> T:
        if not self.hung and isinstance(act, partial) and self.when(act):
            self.hung = True
            then = self.then()
            if isinstance(then, Awaitable):
                await then
        return await super()._run_first(act, seconds)


def makes_a_mark(act: partial[object]) -> bool:
    return act.func.__name__ == "create" and str(act.args[0]).startswith(MARK)


def copies(act: partial[object]) -> bool:
    return act.func.__name__ == "copy"


async def hang(
    site: Site, source: DiskId, when: Callable[[partial[object]], bool], then: Callable[[], object]
) -> CreateOutcome:
    """What a controller is told that hangs then, while it makes the copy."""
    extension = source.rsplit(".", 1)[-1]
    driver = Hanging(Settings.parse(site.settings(look_timeout=20.0, format=extension)), when, then)
    outcome = await driver.clone(COPY, Spec(SIZE), source)
    await driver.close()
    assert driver.hung
    return outcome


@pytest.mark.parametrize("drivers", FORMATS, indirect=True)
async def test_a_call_that_hung_before_its_copy_leaves_the_one_that_another_finished(
    site: Site, drivers: tuple[LibvirtDriver, LibvirtDriver]
) -> None:
    """The other's disk may be attached by now: it must not be made anew under its user."""
    source = await source_of(drivers[0])
    extension = source.rsplit(".", 1)[-1]
    finished, written = site.pool / f"reberth-copy.{extension}", []

    async def other() -> None:
        await whole(drivers[0], site, source)
        written.append((finished.stat().st_ino, finished.stat().st_mtime_ns))

    assert await hang(site, source, makes_a_mark, other) == Created(DiskId(str(finished)))
    assert written == [(finished.stat().st_ino, finished.stat().st_mtime_ns)]
    assert sorted(file.name for file in site.pool.iterdir()) == [finished.name, f"reberth-source.{extension}"]


@pytest.mark.parametrize("drivers", ["raw"], indirect=True)
async def test_a_call_whose_mark_another_took_leaves_the_others_file_alone(
    site: Site, drivers: tuple[LibvirtDriver, LibvirtDriver]
) -> None:
    source = await source_of(drivers[0])

    def taken() -> None:
        for mark in site.pool.glob(f"{MARK}*"):
            mark.unlink()
        os.utime(source)  # so that its copy is none, and it would clean up

    assert isinstance(await hang(site, source, copies, taken), Refused)
    assert (site.pool / "reberth-copy.raw").exists()


@pytest.mark.parametrize("drivers", FORMATS, indirect=True)
async def test_a_copy_of_a_disk_that_was_written_to_meanwhile_is_none(
    site: Site, drivers: tuple[LibvirtDriver, LibvirtDriver]
) -> None:
    """Of a raw image libvirt makes the copy itself, without QEMU's lock: so the file's time is looked at."""
    source = await source_of(drivers[0])
    refused = await hang(site, source, copies, lambda: os.utime(source))
    assert isinstance(refused, Refused), refused
    assert "in use while it was copied" in refused.why
    assert await drivers[0].keys("") == [SOURCE]
    await whole(drivers[0], site, source)
