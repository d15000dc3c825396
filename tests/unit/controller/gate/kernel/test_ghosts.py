"""Which devices are taken out of the kernel after the storage took their disks, and which never are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.gate.kernel.ghosts import Ghosts
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

DISK, OURS, OTHER = "8:16", "naa.6000c29aa", "naa.6000c29bb"
DEAD = "the disk cannot be read (Input/output error)"


def used() -> tuple[FakeHost, Ghosts]:
    host = FakeHost(identities={DISK: OURS})
    return host, Ghosts(host)


async def test_a_disk_that_was_mounted_here_and_is_dead_twice_is_removed_once() -> None:
    host, ghosts = used()
    await ghosts.look([DISK])
    host.sick = DEAD
    await ghosts.look([])
    assert host.removed == []
    await ghosts.look([])
    await ghosts.look([])
    assert host.removed == [DISK]


async def test_a_disk_that_answers_in_between_stays() -> None:
    """Also an idle one: it is still attached, and the next container of this node finds it at once."""
    host, ghosts = used()
    await ghosts.look([DISK])
    for sick in (DEAD, None, DEAD, None):
        host.sick = sick
        await ghosts.look([])
    assert host.removed == []


async def test_a_dead_disk_that_was_never_mounted_here_or_is_mounted_stays() -> None:
    host, ghosts = used()
    host.sick = DEAD
    for mounted in ([], [], [DISK], [DISK], [DISK]):
        await ghosts.look(mounted)
    assert host.removed == []


async def test_another_disk_under_the_same_number_stays() -> None:
    host, ghosts = used()
    await ghosts.look([DISK])
    host.identities[DISK], host.sick = OTHER, DEAD
    await ghosts.look([])
    await ghosts.look([])
    host.identities[DISK] = OURS
    await ghosts.look([])
    await ghosts.look([])
    assert host.removed == []


async def test_a_dead_disk_that_something_still_holds_stays_until_it_is_let_go() -> None:
    host, ghosts = used()
    await ghosts.look([DISK])
    host.sick = DEAD
    await host.mount("/dev/fake", "ext4", Path("/elsewhere"), twin=False)
    for _ in range(3):
        await ghosts.look([])
    assert host.removed == []
    host.table.clear()
    await ghosts.look([])
    assert host.removed == [DISK]


async def test_a_disk_that_is_no_scsi_disk_is_left_to_its_own_driver() -> None:
    host = FakeHost(sick=DEAD)
    ghosts = Ghosts(host)
    for mounted in ([DISK], [], [], []):
        await ghosts.look(mounted)
    assert host.removed == []


@pytest.mark.looptime
async def test_after_a_clean_unmount_the_gate_removes_the_device_that_the_storage_left_behind(tmp_path: Path) -> None:
    host, controller = FakeHost(identities={DISK: OURS}), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        await asyncio.sleep(4)
        await gate.unmount("data", "a")
        await asyncio.sleep(10)
        assert host.removed == []
        host.sick = DEAD
        await asyncio.sleep(10)
        assert host.removed == [DISK]
