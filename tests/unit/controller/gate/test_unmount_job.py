"""What a look at a mounted disk finds, and what follows from it; and mounts and unmounts that end half way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from controller.gate.gate import Gate
from controller.gate.jobs import GateError
from controller.protocol import messages
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


@asynccontextmanager
async def mounted(folder: Path) -> AsyncIterator[tuple[Gate, FakeHost, FakeController]]:
    """A gate whose volume "data" a container "a" has, under serial 1."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, folder) as gate:
        await gate.mount("data", "a")
        yield gate, host, controller


async def test_stall_of_the_storage_takes_nothing_from_a_container_and_is_told(tmp_path: Path) -> None:
    """The disk is still attached: reads that fail are a problem, which passes with the stall."""
    async with mounted(tmp_path) as (_, host, controller):
        host.sick = "the disk cannot be read"
        await asyncio.sleep(20)
        assert host.table
        assert host.removed == []
        said = controller.said("data")
        assert said is not None
        assert "the disk cannot be read, while its container runs" in (said.problem or "")

        host.sick = None
        await asyncio.sleep(5)
        said = controller.said("data")
        assert said is not None
        assert (said.state, said.problem) == ("mounted", None)


async def test_a_disk_that_answers_no_read_is_told_until_it_does_and_holds_no_other_volume(tmp_path: Path) -> None:
    """A read that hangs is no good news. The other volumes, the reports and Docker's questions go on."""
    async with mounted(tmp_path) as (gate, host, controller):
        assert not said(controller).suffers
        host.disks |= {"other": "8:32"}
        host.stalled = frozenset({"8:16"})
        await asyncio.sleep(10)
        assert (said(controller).state, said(controller).suffers) == ("mounted", True)
        assert "its disk does not answer: a question to the disk 8:16" in (said(controller).problem or "")
        assert host.removed == []

        host.disks.pop("disk")
        controller.grant(msgspec.structs.replace(grant(), volume="web", key="web", by_id=("other",)))
        assert (await gate.mount("web", "w")).name == "data"
        assert {each.name for each in await gate.listed()} == {"data", "web"}
        found = await gate.get("data")
        assert found is not None
        assert "does not answer" in found.reason
        with pytest.raises(GateError, match=r"data is not ready after 95 s: its disk does not answer"):
            await gate.mount("data", "another")

        host.stalled = frozenset()
        await asyncio.sleep(5)
        assert (said(controller).problem, said(controller).suffers) == (None, False)


async def test_what_is_done_to_a_mount_for_long_is_told(tmp_path: Path) -> None:
    """An unmount that hangs in the kernel says nothing by itself."""
    async with mounted(tmp_path) as (gate, host, controller):
        host.hung = asyncio.Event()
        with pytest.raises(GateError, match="still being unmounted"):
            await gate.unmount("data", "a")
        await asyncio.sleep(30)
        assert "has been under way for more than a minute" in (said(controller).problem or "")
        assert said(controller).suffers
        host.hung.set()
        await asyncio.sleep(5)
        assert (said(controller).state, said(controller).problem) == ("unmounted", None)


READ_ONLY = {  # the mount; whether the gate knows how it was mounted: what it may say
    "after an error": (True, True, "turned read-only after an error"),
    "after an error, and the gate knows nothing": (True, False, "turned read-only after an error"),
    "by somebody": (False, True, "which this volume is not meant to be"),
    "by whomever": (False, False, "no memory of how it was mounted"),
}


@pytest.mark.parametrize("name", READ_ONLY)
async def test_of_a_read_only_file_system_no_more_is_told_than_is_known(tmp_path: Path, name: str) -> None:
    """It is an alarm, unless it may be as it is meant."""
    failed, knows, told = READ_ONLY[name]
    async with mounted(tmp_path) as (gate, host, controller):
        if not knows:
            state = msgspec.structs.replace(gate.volumes.volume("data").stored, read_only=None)
            await gate._store.edit("data", lambda _: state)
        (path,) = host.table
        host.table[path] = replace(host.table[path], read_only=True, failed=failed)
        await asyncio.sleep(5)
        assert told in (said(controller).problem or "")
        assert said(controller).suffers is (failed or knows)


async def test_disk_that_was_taken_from_the_vm_is_unmounted_though_it_cannot_be_flushed(tmp_path: Path) -> None:
    """Nothing can be written to it any more: it leaves no ghost behind."""
    async with mounted(tmp_path) as (_, host, controller):
        host.sick, host.vanished = "the disk was taken from this VM", True
        await asyncio.sleep(3.5)
        assert host.table == {}
        assert host.removed == ["8:16"]
        assert controller.history("data")[-1] == ("unmounted", 1)


def said(controller: FakeController) -> messages.VolumeReport:
    found = controller.said("data")
    assert found is not None
    return found


async def asked_for(gate: Gate, controller: FakeController, serial: int) -> None:
    """The controller wants the disk back, long after anybody knew of its users."""
    gate.volumes.volume("data").inherit(asyncio.get_running_loop().time() - 3600)
    controller.release("data", serial)
    await asyncio.sleep(5)


async def test_a_mount_that_could_not_be_put_back_beside_its_container_is_tried_again(tmp_path: Path) -> None:
    """Told meanwhile, and never called unmounted; nothing is left of it when it succeeds."""
    async with mounted(tmp_path) as (gate, host, controller):
        host.lives, host.no_mount = True, "EBUSY, for a while"
        await asked_for(gate, controller, 4)
        assert (host.table, said(controller).state, said(controller).mounts) == ({}, "mounted", 1)
        assert "its container has the disk 8:16" in (said(controller).problem or "")
        assert "EBUSY, for a while" in (said(controller).problem or "")

        host.no_mount = None
        await asyncio.sleep(5)
        assert len(host.table) == 1
        assert (said(controller).state, said(controller).mounts, said(controller).problem) == ("mounted", 1, None)

        host.lives = False
        await gate.unmount("data", "a")
        await asyncio.sleep(1)
        assert (host.table, controller.history("data")[-1]) == ({}, ("unmounted", 4))


async def test_a_container_that_ends_while_its_mount_could_not_be_put_back_lets_go(tmp_path: Path) -> None:
    async with mounted(tmp_path) as (gate, host, controller):
        host.lives, host.no_mount = True, "never again"
        await asked_for(gate, controller, 4)
        assert said(controller).state == "mounted"
        host.lives = False  # and dockerd, which was killed, says nothing
        await asyncio.sleep(5)
        assert (said(controller).state, said(controller).serial, said(controller).problem) == ("unmounted", 4, None)


async def test_a_user_that_was_found_alive_is_asked_about_again(tmp_path: Path) -> None:
    """Its container may end without a word as well later on: once asked must not be for ever."""
    async with mounted(tmp_path) as (gate, host, controller):
        host.lives = True
        await asked_for(gate, controller, 4)
        assert said(controller).state == "mounted"
        host.lives = False
        await asyncio.sleep(120)
        assert controller.history("data")[-1] == ("unmounted", 4)


async def test_a_disk_that_cannot_be_flushed_or_unmounted_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    """Not silently kept; and given up as soon as that can be done."""
    async with mounted(tmp_path) as (gate, host, controller):
        host.sick, host.no_unmount = "input/output error", "target is busy"
        await asked_for(gate, controller, 4)
        assert (said(controller).state, said(controller).problem) == ("mounted", "target is busy")
        told = len(controller.syncs)
        await asyncio.sleep(30)
        assert len(controller.syncs) - told < 60  # the same news is none
        host.no_unmount = None
        await asyncio.sleep(5)
        assert controller.history("data")[-1] == ("unmounted", 4)


async def test_an_unmount_that_failed_is_finished_though_docker_asks_no_more(tmp_path: Path) -> None:
    """Docker logs the error and forgets the container: its mount would count for ever, and hold the volume."""
    async with mounted(tmp_path) as (gate, host, controller):
        host.no_unmount = "target is busy"
        with pytest.raises(Exception, match="busy"):
            await gate.unmount("data", "a")
        await asyncio.sleep(10)
        assert (said(controller).state, said(controller).mounts) == ("mounted", 1)
        assert "busy" in (said(controller).problem or "")
        host.no_unmount = None
        await asyncio.sleep(5)
        assert (host.table, controller.history("data")[-1]) == ({}, ("unmounted", 1))


async def test_whoever_could_not_be_unmounted_is_not_handed_the_mount_without_a_grant(tmp_path: Path) -> None:
    """The same mount ID comes again when Docker starts that container again; meanwhile the mount may be taken down."""
    async with mounted(tmp_path) as (gate, host, _):
        host.no_unmount = "target is busy"
        with pytest.raises(Exception, match="busy"):
            await gate.unmount("data", "a")
        assert gate.volumes.volume("data").given("a") is None


async def test_one_that_left_half_way_takes_nothing_from_one_that_stays(tmp_path: Path) -> None:
    host, controller = FakeHost(), FakeController()
    controller.grant(grant(mounts=2))
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        host.no_unmount = "target is busy"
        with pytest.raises(Exception, match="busy"):
            await gate.unmount("data", "a")
        await gate.mount("data", "b")
        host.no_unmount = None
        await asyncio.sleep(10)
        assert len(host.table) == 1
        await gate.unmount("data", "b")
        await asyncio.sleep(1)
        assert (host.table, controller.history("data")[-1]) == ({}, ("unmounted", 1))


async def test_a_mount_that_failed_and_is_there_all_the_same_is_not_called_unmounted(tmp_path: Path) -> None:
    """What the kernel shows counts, not what mount(8) said: it is taken down, at once or when that can be done."""
    host, controller = FakeHost(half=True, no_mount="it was killed", no_unmount="target is busy"), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        with pytest.raises(Exception, match="it was killed"):
            await gate.mount("data", "a")
        await asyncio.sleep(10)
        assert len(host.table) == 1
        assert said(controller).state == "mounted"
        host.no_unmount = None
        await asyncio.sleep(5)
        assert (host.table, controller.history("data")[-1]) == ({}, ("unmounted", 1))
