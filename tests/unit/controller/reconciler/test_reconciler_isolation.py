"""One bad thing harms one volume: bugs of ours, records that cannot be read, gates that never rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.model import DiskId, Epoch, NodeId, VmId, VolumeName
from controller.planner.actions import Alarm, Wait
from controller.planner.context import WorldIndex
from controller.planner.invariants import violations
from controller.planner.plan import Decision, plan
from controller.protocol.messages import Sync, VolumeReport
from controller.reconciler.pace import Pace
from drivers.base import Listing, Outcome
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.support.fake_swarm import FragileRecords
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime

WEB = VolumeName("web")


class BuggyDriver(MemoryDriver):
    """Raises what no driver may: in an attach of one disk, or in every list. Or never answers, about one disk."""

    bad: DiskId | None = None
    hanging: DiskId | None = None
    blind = False
    forgetful: VmId | None = None

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        if self.bad in disks:
            raise KeyError("scsi9:0")
        if self.hanging in disks:
            await asyncio.sleep(3600)
        return await super().attach(disks, vm, epoch)

    async def list_attachments(self) -> Listing:
        if self.blind:
            raise ZeroDivisionError("no disks")
        listed = await super().list_attachments()
        seen = (replace(each, epoch=None) if each.vm == self.forgetful else each for each in listed.attachments)
        return replace(listed, attachments=tuple(seen))


class BuggyCluster(FakeCluster):
    driver: BuggyDriver

    def clients(self) -> tuple[FragileRecords, MemoryDriver]:
        self.driver = BuggyDriver(self.storage)
        return FragileRecords(self.store), self.driver


def batching() -> BuggyCluster:
    storage = MemoryStorage()
    storage.capabilities = replace(storage.capabilities, batch=True)
    return BuggyCluster(storage=storage)


def told(play: Scene, volume: VolumeName) -> str:
    decision = play.one.state.decisions[volume]
    assert isinstance(decision.action, Alarm), decision
    return decision.action.why


async def made(play: Scene, *volumes: VolumeName) -> None:
    for volume in volumes:
        await play.make(volume)
    await asyncio.sleep(2)


async def test_an_action_that_meets_a_bug_is_its_volumes_alarm_and_the_others_go_on() -> None:
    """Also those of the same VM, which went in the same call the first time."""
    cluster = batching()
    async with scene(cluster) as play:
        await made(play, DATA, WEB)
        cluster.driver.bad = cluster.record(DATA).disk
        with capture_logs() as logs:
            play.want("a", volume=DATA)
            play.want("a", volume=WEB)
            await play.until(("a",), WEB)
            await asyncio.sleep(5)
        assert told(play, DATA) == "attach is in doubt: internal error in the driver (KeyError: 'scsi9:0')"
        assert any(each["event"] == "internal.error" and each.get("exc_info") for each in logs)

        cluster.driver.bad = None
        await play.until(("a",), DATA)


async def test_a_disk_that_gets_no_answer_holds_the_others_of_its_call_for_a_while_and_not_for_ever() -> None:
    """It lies on a datastore that hangs. Whoever went with it goes in another half the next time, or the one after."""
    cluster = batching()
    async with scene(cluster) as play:
        names = [VolumeName(f"v{number}") for number in range(8)]
        await made(play, *names)
        cluster.driver.hanging = cluster.record(names[0]).disk
        for name in names:
            play.want("a", volume=name)
        async with asyncio.timeout(900):
            for name in names[1:]:
                await play.until(("a",), name)
        assert cluster.writers(names[0]) == ()

        cluster.driver.hanging = None
        await play.until(("a",), names[0])


async def test_a_vm_that_keeps_no_stamp_is_told_and_no_other_volume_pays_for_it() -> None:
    """Each attach is done, and not seen: each would be followed by a new epoch, under which all others begin anew."""
    cluster = batching()
    async with scene(cluster) as play:
        await made(play, DATA, WEB)
        cluster.storage.seconds = 2.0
        cluster.driver.forgetful = VmId("vm-a")
        play.want("a", volume=DATA)
        await asyncio.sleep(120)
        assert (play.one.lead.epoch or 0) < 15
        assert "does not show it: something else changes that VM" in play.one.state.why(DATA)
        play.want("b", volume=WEB)
        async with asyncio.timeout(60):
            await play.until(("b",), WEB)

        cluster.driver.forgetful = None
        await play.until(("a",), DATA)


async def test_a_decision_that_meets_a_bug_is_its_volumes_alarm_and_the_others_go_on() -> None:
    cluster = FakeCluster()

    def planner(index: WorldIndex, _: object) -> Sequence[Decision]:
        world = index.world
        bad = [each for each in (world.volumes or {}).values() if each.name == DATA]
        broken = {each.name: replace(each, grants=None) for each in bad}  # type: ignore[arg-type] # what no type allows
        return plan(replace(world, volumes={**(world.volumes or {}), **broken}), index.policy)

    cluster.planner = planner
    async with scene(cluster) as play:
        await made(play, DATA, WEB)
        play.want("a", volume=WEB)
        await play.until(("a",), WEB)
        assert told(play, DATA).startswith("Volume data: internal error while it was decided (TypeError: ")


async def test_a_bug_about_no_volume_in_particular_holds_all_and_ends_nothing() -> None:
    cluster = FakeCluster()

    def planner(index: WorldIndex, _: object) -> Sequence[Decision]:
        raise AssertionError("never")

    async with scene(cluster) as play:
        await made(play, DATA)
        cluster.planner = planner
        two = await play.take_over("b")
        await asyncio.sleep(5)
        action = two.state.decisions[DATA].action
        assert isinstance(action, Alarm)
        assert action.why == "internal error while the decisions were made (AssertionError: never)"


async def test_a_driver_that_breaks_its_contract_leaves_its_part_unread() -> None:
    cluster = BuggyCluster()
    async with scene(cluster) as play:
        await made(play, DATA)
        cluster.driver.blind = True
        await asyncio.sleep(20)
        action = play.one.state.decisions[DATA].action
        assert isinstance(action, Wait)
        assert "internal error (ZeroDivisionError: no disks)" in action.why

        cluster.driver.blind = False
        play.want("a")
        await play.until(("a",))


async def test_an_unreadable_record_holds_its_volume_and_no_other() -> None:
    async with scene() as play:
        await made(play, DATA, WEB)
        play.want("a", volume=DATA)
        await play.until(("a",), DATA)
        play.cluster.store.unreadable[DATA] = "its config has schema 2"
        await asyncio.sleep(20)
        play.want("b", volume=WEB)
        await play.until(("b",), WEB)

        assert told(play, DATA) == "Volume data: its config has schema 2"
        await asyncio.sleep(60)
        assert play.cluster.gates[NodeId("a")].mounted[DATA]  # nobody told its gate to let go what nobody allows

        del play.cluster.store.unreadable[DATA]
        await asyncio.sleep(20)
        assert not isinstance(play.one.state.decisions[DATA].action, Alarm)


async def test_an_unreadable_record_that_nobody_claims_is_an_alarm_under_its_key() -> None:
    async with scene() as play:
        await made(play, DATA)
        key = play.cluster.record(DATA).key
        play.cluster.store.unreadable[DATA] = "it is no JSON"
        await asyncio.sleep(20)

        assert told(play, VolumeName(key)) == f"Volume {key}: it is no JSON"


async def test_a_gate_that_reports_something_new_all_the_time_does_not_make_the_loop_spin() -> None:
    """What others ask for is looked at soon, but not more often than is good for the storage."""
    async with scene(gates="") as play:
        await asyncio.sleep(30)
        begun, seconds = play.one.state.begun, 20.0
        ends = asyncio.get_running_loop().time() + seconds
        number = 0
        while asyncio.get_running_loop().time() < ends:
            number += 1
            report = VolumeReport("data", "unmounted", number)
            await play.one.gate_requests.sync(NodeId("a"), Sync("vm-a", "boot-a-1", "test", (report,), wait=0.0))
            await asyncio.sleep(0.02)

        looks = play.one.state.begun - begun
        assert looks <= Pace().burst + seconds / Pace().least + 1
        assert looks >= seconds / Pace().least - 1


async def test_what_waits_for_long_is_looked_at_less_often() -> None:
    """A service that cannot be placed for days costs no more than a volume that is well."""
    async with scene(gates="") as play:
        await made(play, DATA)
        play.cluster.swarm.unread = True
        play.one.state.wakeup("the test")
        counts = []
        for _ in range(2):
            begun = play.one.state.begun
            await asyncio.sleep(10)
            counts.append(play.one.state.begun - begun)
            await asyncio.sleep(200)

    assert counts[0] >= 8
    assert counts[1] <= 1


async def test_a_machine_that_cannot_be_read_holds_only_volumes_that_may_be_on_it() -> None:
    """One host is away: a database that is seen elsewhere is started again; a disk that is not seen waits."""
    async with scene() as play:
        for name, node in ((DATA, "a"), (WEB, "b")):
            await play.make(name)
            play.want(node, f"t-{name}", name)
        await play.until(("a",))
        await play.until(("b",), WEB)
        play.cluster.storage.hidden.add(VmId("vm-b"))
        await asyncio.sleep(5)

        await play.cluster.gates[NodeId("a")].stop(DATA)
        play.want("a", "t2")
        await play.until(("a",))
        assert "the VM vm-b cannot be read" in play.one.state.why(WEB)
        world = play.one.state.world
        assert world is not None
        assert world.unlisted == ("the VM vm-b cannot be read",)
        assert violations(world) == ()

        play.cluster.storage.hidden.clear()
        await asyncio.sleep(5)
        assert play.one.state.why(WEB).endswith("where its task runs.") or "has not started" in play.one.state.why(WEB)
        assert play.cluster.writers(WEB) == ("vm-b",)


async def test_what_the_storage_says_is_wrong_with_a_disk_is_the_reason_that_people_read() -> None:
    """As after Storage vMotion: the disk is there, and not where it should be."""
    async with scene() as play:
        await play.make()
        play.want("a", "t1")
        await play.until(("a",))
        (disk,) = play.cluster.storage.disks
        play.cluster.storage.odd[disk] = "it was moved to another folder: move it back"
        await asyncio.sleep(20)

        assert "it was moved to another folder: move it back" in play.one.state.why(DATA)
        play.cluster.storage.odd.clear()
        await asyncio.sleep(20)
        assert "moved" not in play.one.state.why(DATA)
