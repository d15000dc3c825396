"""What the gate answers and when, on a kernel that is made of two dictionaries."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller import wire
from controller.gate.blank import Wanted
from controller.gate.client import ControllerRefused
from controller.gate.device import Device
from controller.gate.filesystem import Proceed, Say
from controller.gate.ledger import GateError
from controller.gate.machine import Machine, MachineUnknown
from controller.gate.mounts import Mounted, MountFailed, Nameplate
from tests.gate_rig import BOOT, VM, FakeController, running

pytestmark = pytest.mark.looptime


@dataclass
class FakeHost:
    """``fsck_seconds``: how long the disk's check takes; ``hung``: mount(2) does not return before it is set."""

    disks: dict[str, str] = field(default_factory=lambda: {"disk": "8:16"})
    table: dict[Path, Mounted] = field(default_factory=dict)
    fsck_seconds: float = 0.0
    checks: int = 0
    hung: asyncio.Event | None = None
    sick: str | None = None
    removed: list[str] = field(default_factory=list)

    async def find(self, names: Sequence[str]) -> Device | None:
        number = next((self.disks[name] for name in names if name in self.disks), None)
        return None if number is None else Device("/dev/fake", number, 1 << 30, os.open(os.devnull, os.O_RDONLY))

    async def prepare(self, device: Device, wanted: Wanted, say: Say, proceed: Proceed) -> None:
        proceed()
        self.checks += 1
        say("checking /dev/fake (e2fsck -p)")
        await asyncio.sleep(self.fsck_seconds)

    def mounted(self) -> Mapping[Path, Mounted]:
        return dict(self.table)

    async def mount(self, device: str, fstype: str, target: Path, *, twin: bool) -> None:
        if self.hung is not None:
            await self.hung.wait()
        self.table[target] = Mounted(target, "8:16", fstype, device)

    async def dress(self, target: Path, plate: Nameplate, epoch: int) -> Path:
        return target / "data"

    async def nameplate(self, target: Path) -> Nameplate | None:
        return None

    async def flush(self, target: Path) -> None:
        if self.sick is not None:
            raise MountFailed("input/output error")

    async def unmount(self, target: Path, *, lazy: bool = False) -> None:
        self.table.pop(target, None)

    async def in_use(self, number: str) -> bool:
        return bool(self.table)

    async def gone(self, number: str) -> bool:
        return False

    async def sickness(self, number: str) -> str | None:
        return self.sick

    async def remove(self, number: str) -> bool:
        self.removed.append(number)
        return True


def grant(serial: int = 1, epoch: int = 3) -> wire.MountGrant:
    return wire.MountGrant(
        volume="data",
        key="data",
        task="task1",
        epoch=epoch,
        serial=serial,
        by_id=("disk",),
        size_bytes=1 << 30,
        fstype="ext4",
        fs_uuid="u",
        may_format=False,
    )


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_mount_that_waits_answers_before_docker_gives_up_with_the_newest_reason(tmp_path: Path) -> None:
    """95 s, and the sentence that the controller said last."""
    controller = FakeController()
    controller.grants["data"] = wire.Pending(why="node swarm01 is down for 4 s, its VM is still on")
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


async def test_mount_waits_for_a_disk_that_never_comes_and_names_it(tmp_path: Path) -> None:
    """The names that were tried are in the error; the grant is spent then."""
    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(disks={}), controller, tmp_path) as gate:
        with pytest.raises(GateError, match="waiting for the disk to appear as /dev/disk/by-id/disk"):
            await gate.mount("data", "a")
        await asyncio.sleep(1)
        assert controller.history("data") == [("mounting", 1), ("unmounted", 1)]


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
        assert second == tmp_path / "volumes" / "data" / "data"
        assert host.checks == 1
        assert gate.ledger.stored("data").ids == {"b"}


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
async def test_stale_grant_is_not_used(tmp_path: Path, stale: wire.MountGrant) -> None:
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
        controller.grants["data"] = wire.Pending(why="the old task still has it")
        new = tasks.create_task(gate.mount("data", "new"))
        await asyncio.sleep(1)
        began = now()
        await gate.unmount("data", "old")
        assert now() - began < 1
        assert controller.history("data")[-1] == ("mounted", 1)

        controller.grant(grant(serial=2))
        await new
        assert gate.ledger.stored("data").ids == {"new"}


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
        assert gate.get("data") is None


async def test_only_names_created_here_are_known(tmp_path: Path) -> None:
    """Get of any other name fails, so that Docker calls Create and the controller compares the options."""
    controller = FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate:
        await controller.create("elsewhere", {})
        assert gate.get("elsewhere") is None
        await gate.create("data", {})
        assert [known.name for known in gate.listed()] == ["data"]

    async with running(FakeHost(), controller, tmp_path) as gate:
        assert [known.name for known in gate.listed()] == ["data"]
        del controller.volumes["data"]
        await gate.remove("data")
        assert gate.listed() == ()


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


async def test_one_failed_read_is_no_vanished_disk_and_two_are(tmp_path: Path) -> None:
    """Then it is unmounted though it cannot be flushed, and the dead device removed."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
        host.sick = "the disk cannot be read"
        await asyncio.sleep(3.5)
        assert host.table
        await asyncio.sleep(3)
        assert host.table == {}
        assert host.removed == ["8:16"]
        assert controller.history("data")[-1] == ("unmounted", 1)


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
