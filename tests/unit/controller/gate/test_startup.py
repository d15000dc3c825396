"""What a gate that starts believes of a disk that is in use, and of one that does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from controller.gate.kernel.mount_table import Mount
from controller.gate.volume import FORGET_SECONDS
from controller.model import BootId
from controller.protocol.machine import Machine, MachineUnknown
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import VM, FakeController, running

pytestmark = pytest.mark.looptime


async def test_a_disk_that_hangs_keeps_a_gate_asleep_that_remembers_nothing(tmp_path: Path) -> None:
    """A container of before may write to it. It wakes as soon as the disk answers."""
    host, controller = FakeHost(deaf=True), FakeController()
    async with running(host, controller, tmp_path) as gate:
        await asyncio.sleep(30)
        assert not gate.awake
        assert "a disk of this node did not answer" in gate.why_asleep
        host.deaf = False
        await asyncio.sleep(30)
        assert gate.awake


async def test_a_disk_that_hangs_keeps_no_gate_asleep_that_remembers(tmp_path: Path) -> None:
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
    host.deaf = True
    async with running(host, controller, tmp_path) as gate:
        await asyncio.sleep(30)
        assert gate.awake


@pytest.mark.parametrize(("after", "left"), [(50, 0), (70, 1)], ids=["asked again", "docker cp"])
async def test_what_docker_asks_anew_of_a_gate_that_came_back_is_no_second_mount(
    tmp_path: Path, after: float, left: int
) -> None:
    """The gate before may have counted it without an answer; dockerd tries for half a minute."""
    host, controller = FakeHost(), FakeController()
    controller.grant(grant())
    async with running(host, controller, tmp_path) as gate:
        await gate.mount("data", "a")
    async with running(host, controller, tmp_path) as gate:
        await asyncio.sleep(after)
        await gate.mount("data", "a")
        await gate.unmount("data", "a")
        assert len(host.table) == left


async def test_a_gate_that_cannot_work_owns_the_names_that_it_knows_and_mounts_none(tmp_path: Path) -> None:
    """After an error Docker would take an external volume for nobody's, and make an empty local one."""

    def unknown() -> Machine:
        raise MachineUnknown("the machine tells no UUID")

    controller = FakeController()
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.create("data", {"size": "1GiB"})
    async with running(FakeHost(), controller, tmp_path, unknown) as gate:
        found = await gate.get("data")
        assert found is not None
        assert (found.mountpoint, "the machine tells no UUID" in found.reason) == (None, True)
        with pytest.raises(GateError, match="cannot work yet"):
            await gate.get("another")
        with pytest.raises(GateError, match="cannot work yet"):
            await gate.mount("data", "a")


async def test_a_disk_that_is_in_use_after_a_reboot_is_nobody_s_from_before(tmp_path: Path) -> None:
    """Mounts went with the kernel: a gate that was there before the reboot looks for none."""
    host, controller = FakeHost(strays=frozenset({"8:16"}), lives=True), FakeController()
    async with running(FakeHost(), controller, tmp_path) as gate:
        assert gate.awake
    async with running(host, controller, tmp_path, lambda: Machine(VM, BootId("another"))) as gate:
        assert gate.volumes.strays == frozenset()


async def test_a_volume_that_may_be_the_stray_is_not_called_unmounted_until_that_is_free(tmp_path: Path) -> None:
    host, controller = FakeHost(strays=frozenset({"8:16"}), lives=True), FakeController()
    controller.release("data", 7)
    async with running(host, controller, tmp_path):
        await asyncio.sleep(30)
        said = controller.said("data")
        assert said is not None
        assert (said.state, said.users, said.serial) == ("mounted", (0,), 7)
        host.lives = False
        await asyncio.sleep(5)
        assert controller.history("data") == [("mounted", 7), ("unmounted", 7)]


NO_EPOCH = b'{"boot":"b","volumes":{"data":{"epoch":99999999999999999999}}}'
NO_DISK = b'{"boot":"b","volumes":{"data":{"number":"8:16:3"}}}'
DAMAGED = {
    "a number of no leader": NO_EPOCH,
    "no disk's number": NO_DISK,
    "no UTF-8": b'{"boot":"\xff\xfe"}',
    "brackets": b'{"x":' + b"[" * 5000,
    "zeros": bytes(4096),
    "empty": b"",
}


@pytest.mark.parametrize("damage", DAMAGED)
async def test_a_damaged_file_is_set_aside_and_ends_no_gate(tmp_path: Path, damage: str) -> None:
    """Whatever its bytes are: a gate that ends takes every volume of the node with it, again at each start."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "gate.json").write_bytes(DAMAGED[damage])
    async with running(FakeHost(), FakeController(), tmp_path) as gate:
        assert gate.awake
        assert (tmp_path / "state" / "gate.bad").read_bytes() == DAMAGED[damage]


async def test_a_mount_that_tells_no_name_is_that_of_the_volume_in_whose_place_it_is(tmp_path: Path) -> None:
    """Of that one alone, and only until it is unmounted: also after the gate has forgotten it."""
    host, controller = FakeHost(), FakeController()
    target = (tmp_path / "volumes").resolve() / grant().key
    host.table[target] = Mount(target, "8:16", "ext4", "/dev/fake")
    for name in ("data", "other"):
        controller.release(name, 7)
    async with running(host, controller, tmp_path) as gate:
        await asyncio.sleep(5)
        assert controller.history("other") == [("unmounted", 7)]
        assert {state for state, _ in controller.history("data")} == {"mounted"}
        await gate.unmount("data", "some container")
        controller.releases.clear()
        await asyncio.sleep(2 * FORGET_SECONDS)
        assert [each.name for each in gate.volumes] == []
        controller.release("data", 8)
        await asyncio.sleep(5)
        assert {state for state, serial in controller.history("data") if serial == 8} == {"unmounted"}


class Odd(FakeHost):
    """Its kernel answers what nobody thought of."""

    odd = True

    async def labelled_in_use(self) -> frozenset[str]:
        if self.odd:
            raise OverflowError("Python int too large to convert to C long")
        return await super().labelled_in_use()


async def test_a_bug_at_the_start_is_told_to_whoever_calls_and_the_gate_wakes_when_it_has_passed(
    tmp_path: Path,
) -> None:
    """A plugin that ends instead fails every volume of the node, without a word."""
    host = Odd()
    async with running(host, FakeController(), tmp_path) as gate:
        await asyncio.sleep(5)
        assert (gate.awake, gate.why_asleep) == (False, "Python int too large to convert to C long")
        host.odd = False
        await asyncio.sleep(5)
        assert gate.awake
