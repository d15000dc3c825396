"""What the gate answers and when, on a kernel that is made of two dictionaries."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from controller.protocol import messages
from controller.protocol.client import ControllerRefused
from controller.protocol.machine import Machine, MachineUnknown
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import BOOT, VM, FakeController, running

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_mount_that_waits_answers_before_docker_gives_up_with_the_newest_reason(tmp_path: Path) -> None:
    """95 s, and the sentence that the controller said last."""
    controller = FakeController()
    controller.grants["data"] = messages.Pending(why="node swarm01 is down for 4 s, its VM is still on")
    async with running(FakeHost(), controller, tmp_path) as gate:
        began = now()
        with pytest.raises(GateError, match="not ready after 95 s: node swarm01 is down for 4 s, its VM is still on"):
            await gate.mount("data", "a")
        assert now() - began == pytest.approx(95, abs=0.1)


async def test_mount_without_any_controller_says_so(tmp_path: Path) -> None:
    """The reason is the connection's."""
    async with running(FakeHost(), FakeController(down="10.0.0.1:7490: refused"), tmp_path) as gate:
        with pytest.raises(GateError, match=r"after 95 s: 10\.0\.0\.1:7490: refused"):
            await gate.mount("data", "a")


async def test_disk_that_never_comes_is_named_long_before_docker_gives_up(tmp_path: Path) -> None:
    """Five failures in five minutes make Swarm try another node; the grant is spent, and the problem is told."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(disks={}), controller, tmp_path) as gate:
        began = now()
        with pytest.raises(GateError, match=r"does not show it as /dev/disk/by-id/disk after 30 s.*availability drain"):
            await gate.mount("data", "a")
        assert 5 * (now() - began + 5) < 300
        await asyncio.sleep(1)
        assert controller.history("data") == [("mounting", 1), ("unmounted", 1)]
        said = controller.said("data")
        assert said is not None
        assert "does not show it" in (said.problem or "")


async def test_long_check_goes_on_over_docker_s_next_mount_and_is_not_started_twice(tmp_path: Path) -> None:
    """The first call ends with its reason; the next joins the work under way."""
    host, controller = FakeHost(fsck_seconds=150), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:

        async def later() -> Path:
            await asyncio.sleep(90)
            return await gate.mount("data", "b")

        first, second = await asyncio.gather(gate.mount("data", "a"), later(), return_exceptions=True)

        assert isinstance(first, GateError)
        assert "after 95 s: checking /dev/fake (e2fsck -p)" in str(first)
        assert second == tmp_path / "volumes" / grant().key / "data"
        assert host.checks == 1
        assert gate.volumes.volume("data").users == {"b"}


async def test_mount_that_nobody_waits_for_any_more_stops_before_mounting(tmp_path: Path) -> None:
    """Nobody would ever unmount it."""
    host, controller = FakeHost(fsck_seconds=150), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        with pytest.raises(GateError):
            await gate.mount("data", "a")
        await asyncio.sleep(100)
        assert host.table == {}
        assert controller.history("data")[-1] == ("unmounted", 1)


async def test_revocation_while_mount_2_hangs_undoes_the_mount(tmp_path: Path) -> None:
    """The answer to Docker is not given under a grant that was taken back; "unmounted" is said after the undoing."""
    host, controller = FakeHost(hung=asyncio.Event()), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gate.mount("data", "a"))
        await asyncio.sleep(5)
        controller.release("data", 2)
        await asyncio.sleep(5)
        assert controller.history("data")[-1] == ("mounting", 2)

        assert host.hung is not None
        host.hung.set()
        await asyncio.sleep(5)
        assert not call.done()
        assert host.table == {}
        assert controller.history("data")[-1] == ("unmounted", 2)

        controller.grant(grant(serial=3))
        assert (await call).name == "data"


@pytest.mark.parametrize("stale", [grant(serial=4), grant(serial=9, epoch=2)], ids=["serial", "epoch"])
async def test_stale_grant_is_not_used(tmp_path: Path, stale: messages.MountGrant) -> None:
    """Not one that was given back, and not one of a leader that was deposed."""
    controller = FakeController()
    controller.grant(grant(serial=5, epoch=3))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "a")
        await gate.unmount("data", "a")
        controller.grant(stale)

        with pytest.raises(GateError, match="waiting for a newer one"):
            await gate.mount("data", "b")


async def test_unmount_needs_no_controller_and_is_told_when_it_is_back(tmp_path: Path) -> None:
    """Docker is answered at once; "unmounted" is a state, not an event that can be lost."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "a")
        controller.down = "cut off"
        began = now()
        await gate.unmount("data", "a")
        assert now() - began < 1

        await asyncio.sleep(300)
        controller.down = None
        await asyncio.sleep(3)
        assert controller.history("data")[-1] == ("unmounted", 1)


async def test_unmount_of_the_old_container_does_not_wait_for_the_new_one_s_grant(tmp_path: Path) -> None:
    """The grant may be waiting for this very Unmount."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        await gate.mount("data", "old")
        controller.grants["data"] = messages.Pending(why="the old task still has it")
        new = tasks.create_task(gate.mount("data", "new"))
        await asyncio.sleep(1)
        began = now()
        await gate.unmount("data", "old")
        assert now() - began < 1
        assert controller.history("data")[-1] == ("mounted", 1)

        controller.grant(grant(serial=2))
        await new
        assert gate.volumes.volume("data").users == {"new"}


async def test_refusal_is_told_at_once_and_a_volume_removed_elsewhere_is_forgotten(tmp_path: Path) -> None:
    """Docker then creates it again with its options."""
    controller = FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.create("data", {})
        del controller.volumes["data"]
        controller.grants["data"] = ControllerRefused("there is no volume data", 404)
        began = now()
        with pytest.raises(GateError, match="there is no volume data"):
            await gate.mount("data", "a")
        assert now() - began < 1
        assert await gate.get("data") is None


async def test_a_name_is_known_until_it_is_removed_also_to_the_next_gate(tmp_path: Path) -> None:
    controller = FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.create("data", {})
        assert [known.name for known in await gate.listed()] == ["data"]

    async with running(FakeHost(), controller, tmp_path) as gate:
        assert [known.name for known in await gate.listed()] == ["data"]
        del controller.volumes["data"]
        await gate.remove("data")
        assert await gate.listed() == ()


async def test_create_waits_for_a_controller_and_tells_a_refusal(tmp_path: Path) -> None:
    """A controller that is failing over is waited for; bad options are told at once."""
    controller = FakeController(down="the leader is gone")
    async with running(FakeHost(), controller, tmp_path) as gate, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gate.create("data", {}))
        await asyncio.sleep(30)
        controller.down = None
        await call
        with pytest.raises(GateError, match="write it like 10GiB"):
            await gate.create("other", {"size": "bad"})
        controller.down = "the leader is gone"
        with pytest.raises(GateError, match="not done within 10 s: the leader is gone"):
            await gate.remove("data")


async def test_volume_without_a_name_of_its_own_is_refused_with_the_cure(tmp_path: Path) -> None:
    """Docker makes a name up for each new container: each would be a disk that nobody ever uses again."""
    controller = FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate:
        with pytest.raises(GateError, match=r"name it in the mount .* or as the last word of `docker volume create`"):
            await gate.create("0a" * 32, {"size": "16MiB"})
        assert controller.volumes == {}
        await gate.create("0a" * 31, {"size": "16MiB"})


async def test_gate_without_a_machine_identity_answers_why_and_recovers(tmp_path: Path) -> None:
    """It runs all the same, and works as soon as the cause is gone."""
    known = [False]

    def machine() -> Machine:
        if not known[0]:
            raise MachineUnknown("the VM has no UUID")
        return Machine(VM, BOOT)

    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path, machine) as gate:
        with pytest.raises(GateError, match="the VM has no UUID"):
            await gate.mount("data", "a")
        known[0] = True
        await asyncio.sleep(2)
        await gate.mount("data", "a")


async def test_a_machine_identity_that_is_lost_later_fails_a_mount_at_once_with_the_cure(tmp_path: Path) -> None:
    """Waiting does not give a VM its UUID; the task's error does."""
    machines = [Machine(VM, BOOT)]

    def machine() -> Machine:
        if not machines:
            raise MachineUnknown("the VM has no UUID; give it one")
        return machines[0]

    async with running(FakeHost(), FakeController(), tmp_path, machine) as gate:
        machines.clear()
        begun = asyncio.get_running_loop().time()
        with pytest.raises(GateError, match=r"volume data: .*which VM this node is: the VM has no UUID; give it one"):
            await gate.mount("data", "a")
        assert asyncio.get_running_loop().time() == begun


async def test_state_that_cannot_be_written_refuses_mounts_with_the_reason(tmp_path: Path) -> None:
    """What cannot be remembered is not promised."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        (tmp_path / "state").rename(tmp_path / "moved")
        (tmp_path / "state").write_text("a file in the way")
        with pytest.raises(GateError, match="cannot be written"):
            await gate.mount("data", "a")
        assert host.table == {}


async def test_long_poll_ends_with_a_change_and_orders_that_wait_do_not_spin(tmp_path: Path) -> None:
    """A change is told within a moment; an order that cannot be obeyed yet costs about one report a second."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(100)
        assert len(controller.syncs) <= 8
        await gate.mount("data", "a")
        await asyncio.sleep(0.1)
        assert controller.history("data")[-1] == ("mounted", 1)
        controller.release("data", 2)
        before = len(controller.syncs)
        await asyncio.sleep(30)
        assert len(controller.syncs) - before <= 70
