"""What LUNs with reservations are known to surprise with, on a real iSCSI target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import pytest

from controller.model import DiskId, Epoch, VmId
from controller.reservations import codec
from controller.reservations.keys import NodeKey, PoolKey, parse, pool_number, who_is
from controller.reservations.lun import Lun
from controller.reservations.registering import NotRegistered, Registered, Word
from controller.reservations.scsi import Conflict, NoAnswer
from controller.reservations.state import State
from drivers.base import Done, Refused
from drivers.lun.driver import LunDriver
from reberth.testing.asking import held, new_disk
from tests.conformance.lun_rig import LunRig
from tests.lio.site import VMS, driver

ONE, TWO, THREE = Epoch(1), Epoch(2), Epoch(3)
A, B, C = VMS
_NONE = DiskId("")


@dataclass
class Site(LunRig):
    """A disk that VM A has under epoch 1."""

    disk: DiskId = _NONE

    @property
    def lun(self) -> str:
        return self.disk.partition("@")[2]

    def on(self, nexus: str, act: object) -> object:
        return self.bed.call("lun", nexus, self.lun, act)

    @property
    def state(self) -> State:
        return cast("State", self.on("ctl", Lun.state))

    def writes(self, nexus: str) -> str:
        """Of one block, past the page cache: what the kernel says."""
        device = f"/run/nexus/{nexus}/{self.lun}"
        _, said = self.bed.tried(f"dd if=/dev/zero of={device} bs=4096 count=1 seek=400 oflag=direct,dsync 2>&1")
        return said

    def registers(self, vm: VmId, epoch: Epoch) -> Word:
        key = NodeKey(who_is(vm), epoch).number
        return cast("Word", self.bed.call("register", VMS[vm], (self.lun,), key))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as site:
        site.disk = await new_disk(site)
        assert await site.driver.attach([site.disk], A, ONE) == [Done()]
        yield site


async def cut(site: Site, epoch: Epoch = ONE, driver: LunDriver | None = None) -> None:
    assert await (driver or site.driver).detach([site.disk], A, epoch) == [Done()]


async def test_only_the_registered_node_writes_and_the_late_holder_meets_a_conflict(site: Site) -> None:
    assert "copied" in site.writes("a")
    assert "Invalid exchange" in site.writes("b")
    await cut(site)
    assert "Invalid exchange" in site.writes("a")
    assert await site.driver.attach([site.disk], B, ONE) == [Done()]
    assert "copied" in site.writes("b")
    assert "Invalid exchange" in site.writes("a")


async def test_a_fenced_node_that_registers_by_itself_is_seen_and_cut_off_again(site: Site) -> None:
    """Nothing at the storage keeps it from that."""
    await cut(site)
    key = NodeKey(who_is(A), ONE).number
    site.bed.persist("a", site.lun, "--out", "--register-ignore", "-Z", f"--param-sark={key:#x}")
    assert "copied" in site.writes("a")
    assert await held(site) == {(site.disk, A)}
    assert [type(each) for each in await site.driver.attach([site.disk], B, ONE)] == [Refused]
    await cut(site)
    assert "Invalid exchange" in site.writes("a")


async def test_a_key_that_nobody_gave_is_told_and_nothing_is_attached_beside_it(site: Site) -> None:
    await cut(site)
    site.bed.persist("c", site.lun, "--out", "--register-ignore", "-Z", "--param-sark=0x1234")
    assert "a key that should not be there (0x1234)" in (await site.driver.list_attachments()).odd[site.disk]
    assert [type(each) for each in await site.driver.attach([site.disk], B, ONE)] == [Refused]


async def test_a_registration_that_asks_for_no_persistence_is_made_good_by_the_next_change(site: Site) -> None:
    assert site.on("ctl", Lun.persisting) is True
    site.bed.persist("b", site.lun, "--out", "--register-ignore", "--param-sark=0x1234")
    site.bed.persist("b", site.lun, "--out", "--register-ignore", "--param-sark=0")
    assert site.on("ctl", Lun.persisting) is False
    await cut(site)
    assert site.on("ctl", Lun.persisting) is True


async def test_a_preemption_of_a_key_that_is_gone_and_one_by_nobody_answer_the_same(site: Site) -> None:
    """24 for both: only the keys tell them apart."""
    own, gone = site.state.reservation, NodeKey(who_is(C), ONE).number
    assert own is not None
    for nexus in ("ctl", "rival"):
        with pytest.raises(Conflict):
            site.on(nexus, partial(Lun.preempt, own=own.key, other=gone))
    assert await site.driver.detach([site.disk], C, ONE) == [Done()]
    assert await held(site) == {(site.disk, A)}


async def test_whoever_was_preempted_is_told_so_once_and_the_answer_comes_all_the_same(site: Site) -> None:
    await cut(site)
    assert site.on("a", Lun.state) == site.state
    await site.driver.attach([site.disk], A, ONE)
    await cut(site)
    code, _ = site.bed.persist("a", site.lun, "-k", again=False)
    assert code == 6  # the second opinion does not repeat it


async def test_one_detach_takes_a_key_from_all_nexuses_that_have_it(site: Site) -> None:
    """As the paths of one node have it."""
    key = NodeKey(who_is(A), ONE).number
    site.bed.persist("c", site.lun, "--out", "--register-ignore", "-Z", f"--param-sark={key:#x}")
    assert site.state.keys.count(key) == 2
    await cut(site)
    assert key not in site.state.keys
    assert "Invalid exchange" in site.writes("c")


async def test_an_order_that_comes_late_registers_nothing(site: Site) -> None:
    """Another controller holds the LUN by then; also one of the same epoch that is not that of the order."""
    await cut(site)
    await cut(site, TWO, site.rival)
    assert isinstance(site.registers(A, ONE), NotRegistered)
    assert [each for each in map(parse, site.state.keys) if isinstance(each, NodeKey)] == []
    assert site.registers(A, TWO) == Registered()


async def test_the_holder_changes_without_a_gap_and_the_controller_before_can_do_nothing(site: Site) -> None:
    before = site.state.reservation
    assert before is not None
    await cut(site, TWO, site.rival)
    after = site.state.reservation
    assert after is not None
    assert (after.kind, cast("PoolKey", parse(after.key)).epoch) == (codec.OURS, TWO)
    assert site.state.keys == (after.key,)
    with pytest.raises(Conflict):
        site.on("ctl", partial(Lun.preempt, own=before.key, other=after.key))
    with pytest.raises(NoAnswer, match="Invalid exchange"):
        site.on("ctl", partial(Lun.name, data=bytes(4096)))
    assert [type(each) for each in await site.driver.attach([site.disk], A, ONE)] == [Refused]
    assert site.state.keys == (after.key,)


async def test_a_free_lun_takes_no_write_of_anybody_who_is_not_registered(site: Site) -> None:
    await cut(site)
    assert await site.driver.delete(site.disk) == Done()
    assert "Invalid exchange" in site.writes("a")
    assert await site.driver.keys("") == []


@pytest.mark.parametrize("keep", [True, False], ids=["with what it kept", "without"])
async def test_a_target_that_was_restarted_lets_a_fenced_node_write_only_until_the_next_change(
    site: Site, keep: bool
) -> None:
    await cut(site)
    if not keep:
        site.bed.shell("rm -f /etc/target/pr/aptpl_*")
    await asyncio.to_thread(site.bed.restart, keep=keep)
    assert ("Invalid exchange" in site.writes("a")) is keep
    assert (site.state.reservation is not None) is keep
    assert await held(site) == set()
    assert await site.driver.attach([site.disk], B, ONE) == [Done()]
    assert "Invalid exchange" in site.writes("a")
    assert "copied" in site.writes("b")


async def test_a_controller_does_not_cover_up_the_key_of_a_node_that_comes_by_the_same_initiator(site: Site) -> None:
    """One initiator has one key: the node would count as cut off, and go on writing."""
    beside = driver(site.bed, "a", 3, site.gates)
    for each in (await beside.detach([site.disk], A, ONE), await beside.attach([site.disk], A, ONE)):
        assert isinstance(each[0], Refused)
        assert "an initiator of their own" in each[0].why
    assert await held(site) == {(site.disk, A)}


async def test_a_controller_that_was_started_anew_goes_on_with_the_key_of_the_one_before(site: Site) -> None:
    again = driver(site.bed, "ctl", 4, site.gates)
    assert await again.detach([site.disk], A, ONE) == [Done()]
    assert site.state.keys == (PoolKey(pool_number("swarm-1"), 4, ONE).number,)
