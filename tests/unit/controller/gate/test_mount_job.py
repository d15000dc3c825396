"""Who of those who wait is given a mount, and under which grant it counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from controller.protocol import messages
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


async def test_successor_of_a_running_container_gets_nothing_under_its_predecessor_s_grant(tmp_path: Path) -> None:
    """Swarm starts it after a minute although the old one still runs: it waits until that one is gone."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        await gate.mount("data", "old")
        new = tasks.create_task(gate.mount("data", "new"))
        await asyncio.sleep(60)
        assert not new.done()
        assert gate.volumes.volume("data").users == {"old"}

        await gate.unmount("data", "old")
        assert not new.done()
        controller.grant(grant(serial=2, task="task2"))
        await new
        assert controller.said("data") is not None
        assert gate.volumes.volume("data").users == {"new"}


async def test_two_who_wait_are_not_let_in_by_one_grant(tmp_path: Path) -> None:
    """The one that came first gets it; the other, whoever it is, waits for a grant of its own."""
    controller = FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(1)
        second = tasks.create_task(gate.mount("data", "b"))
        await asyncio.sleep(1)
        controller.grant(grant())
        await first
        await asyncio.sleep(30)
        assert not second.done()

        controller.grant(grant(serial=2, task="task2"))
        await second
        await asyncio.sleep(1)
        said = controller.said("data")
        assert said is not None
        assert (said.mounts, said.users) == (2, (1, 2))


async def test_container_that_mounts_the_volume_twice_gets_both_under_its_one_grant(tmp_path: Path) -> None:
    """At two paths; a third mount is not its own."""
    controller = FakeController()
    controller.grant(grant(mounts=2))
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        await gate.mount("data", "a")
        await gate.mount("data", "b")
        third = tasks.create_task(gate.mount("data", "c"))
        await asyncio.sleep(10)
        assert not third.done()
        await gate.unmount("data", "a")
        await third
        assert gate.volumes.volume("data").users == {"b", "c"}


async def test_container_that_docker_mounts_for_twice_in_a_row_needs_a_grant_each_time(tmp_path: Path) -> None:
    """It copies image data first, unmounts, and mounts again for the start: the unmount spends the first grant."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        await gate.mount("data", "copy")
        await gate.unmount("data", "copy")
        start = tasks.create_task(gate.mount("data", "start"))
        await asyncio.sleep(5)
        assert not start.done()
        controller.grant(grant(serial=2))
        await start


async def test_refusal_while_a_container_runs_is_told_with_its_mount(tmp_path: Path) -> None:
    """The controller may count on it: no mount will be handed out under a serial up to the floor."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "old")
        controller.release("data", 4)
        await asyncio.sleep(1)
        said = controller.said("data")
        assert said == messages.VolumeReport(
            "data", "mounted", serial=4, mounts=1, users=(1,), floor=4, epoch=3, problem=None
        )


async def test_same_mount_asked_for_twice_is_one_user(tmp_path: Path) -> None:
    """Docker repeats a call whose answer it lost; one that gives up takes nothing from the other."""
    controller = FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(1)
        again = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(1)
        controller.grant(grant())
        await again
        assert gate.volumes.volume("data").users == {"a"}


async def test_a_mount_that_docker_makes_again_for_a_user_ends_with_an_unmount_of_its_own(tmp_path: Path) -> None:
    """`docker cp` does so with a running container; one that failed, or was under way, has none."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        first, joined = (tasks.create_task(gate.mount("data", "a")) for _ in range(2))
        assert await first == await joined == await gate.mount("data", "a")
        await gate.unmount("data", "a")
        assert gate.volumes.volume("data").users == {"a"}
        await gate.unmount("data", "a")
        assert (gate.volumes.volume("data").users, host.table) == (frozenset(), {})


async def test_a_user_whose_repeated_mount_never_ended_is_looked_for_when_the_disk_is_wanted(tmp_path: Path) -> None:
    """Docker lost an answer and asked again, say: then the one Unmount that comes was the container's end."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        await gate.mount("data", "a")
        await gate.unmount("data", "a")
        controller.release("data", 4)
        await asyncio.sleep(59)
        assert len(host.table) == 1
        await asyncio.sleep(20)
        assert (host.table, controller.history("data")[-1]) == ({}, ("unmounted", 4))


async def test_disk_that_does_not_show_up_is_looked_for_again(tmp_path: Path) -> None:
    """The kernel gave it up in a stall, and would never find it by itself."""
    host, controller = FakeHost(disks={}), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(2)
        assert host.rescues == 0
        await asyncio.sleep(20)
        assert host.rescues == 2
        host.disks["disk"] = "8:16"
        await call


async def test_a_disk_that_answers_no_read_is_looked_for_anew_before_it_is_taken_for_the_volumes(
    tmp_path: Path,
) -> None:
    """It may be the ghost that the hypervisor left when it took this very disk; the true one is hidden behind it."""
    host, controller = FakeHost(silent=True), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(2)
        assert (host.rescues, host.checks) == (0, 0)
        await asyncio.sleep(3)
        assert (host.rescues, host.checks) == (1, 0)
        host.silent = False
        await call
        assert host.checks == 1


async def test_a_disk_that_stays_silent_is_tried_all_the_same_so_that_its_own_error_is_told(tmp_path: Path) -> None:
    host, controller = FakeHost(silent=True), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        assert (host.rescues, host.checks) == (2, 1)


async def test_nobody_is_let_in_beside_a_container_whose_grant_is_void(tmp_path: Path) -> None:
    """It used a permission that the controller had given up, and somebody waits for its end; sharers are not void."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        await gate.mount("data", "late")
        controller.grant(grant(serial=3, task="task2", void=2))
        new = tasks.create_task(gate.mount("data", "new"))
        await asyncio.sleep(30)
        assert not new.done()

        await gate.unmount("data", "late")
        await new
        controller.grant(grant(serial=4, task="task3", void=2))
        await gate.mount("data", "sharer")
        assert set(gate.volumes.volume("data").stored.users.values()) == {3, 4}


async def test_permission_that_a_newer_one_calls_void_is_not_used_when_it_comes_late(tmp_path: Path) -> None:
    """The gate says so in its reports, too: from then on it refuses all up to that serial."""
    controller = FakeController()
    controller.grant(grant(serial=3, task="task2", void=2))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "new")
        volume = gate.volumes.volume("data")

        assert volume.spent(grant(serial=2)) is not None
        assert volume.spent(grant(serial=4, task="task3", void=2)) is None
        assert volume.report().floor == 2


async def test_a_disk_that_answers_no_look_for_it_ends_the_mount_with_that_reason(tmp_path: Path) -> None:
    """Within the time that lets Swarm take another node; the look that hangs is under way once."""
    host, controller = FakeHost(stalled=frozenset({"8:16"})), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        with pytest.raises(GateError, match=r"this node gets no answer from it .a question to the disk 8:16"):
            await gate.mount("data", "a")


async def test_a_check_that_outlives_its_gate_keeps_the_volume_from_being_called_unmounted(tmp_path: Path) -> None:
    """It still writes: the disk must not go to another VM. The next gate tells what it waits for, and then lets go."""
    host, controller = FakeHost(fsck_seconds=3600), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(5)
        host.program = True
        call.cancel()
    assert controller.history("data") == [("mounting", 1)]
    controller.release("data", 2)
    async with running(host, controller, tmp_path):
        await asyncio.sleep(30)
        said = controller.said("data")
        assert said is not None
        assert (said.state, "a program on this node still has the disk 8:16" in (said.problem or "")) == (
            "mounted",
            True,
        )
        host.program = False
        await asyncio.sleep(5)
        assert controller.history("data") == [("mounting", 1), ("mounted", 1), ("mounted", 2), ("unmounted", 2)]


async def test_a_mount_that_fails_while_a_program_has_the_disk_is_not_over(tmp_path: Path) -> None:
    """What was begun goes on: the grant is spent only when the disk is free."""
    host, controller = FakeHost(no_mount="busy", program=True), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        with pytest.raises(GateError, match="busy"):
            await gate.mount("data", "a")
        await asyncio.sleep(5)
        assert controller.history("data")[-1] == ("mounted", 1)
        host.program = False
        await asyncio.sleep(5)
        assert controller.history("data")[-1] == ("unmounted", 1)
