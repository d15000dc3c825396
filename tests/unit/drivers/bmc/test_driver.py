from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from controller.model import Power, VmId
from drivers.base import PowerEvent
from drivers.bmc.base import Timing
from drivers.bmc.driver import BmcDriver
from drivers.bmc.errors import Unread

A, B = "00112233-4455-6677-8899-aabbccddeeff", "aaaaaaaa-0000-4000-8000-000000000002"
A_TURNED = VmId("33221100-5544-7766-8899-aabbccddeeff")
TIMING = Timing(deadline=4.0, off_deadline=10.0, watch_every=10.0)

pytestmark = pytest.mark.looptime


class FakeBmc:
    """A BMC whose machines go off some seconds after they were told to."""

    def __init__(self, name: str, *vms: str) -> None:
        self.name = name
        self.states = dict.fromkeys(vms, Power.ON)
        self.seconds = 0.1
        self.off_after: float | None = 1.0
        self.away = ""
        self.refuses = ""
        self.reads = 0
        self.orders: list[str] = []
        self.inside = 0

    async def read(self) -> Mapping[str, Power]:
        self.reads += 1
        self.inside += 1
        assert self.inside == 1, "a BMC is asked one thing at a time"
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.inside -= 1
        if self.away:
            raise Unread(self.away)
        return dict(self.states)

    async def order_off(self, uuid: str) -> None:
        self.orders.append(uuid)
        if self.refuses:
            raise Unread(self.refuses)
        if self.off_after is not None:
            asyncio.get_running_loop().call_later(self.off_after, self.states.__setitem__, uuid, Power.OFF)


async def test_a_machine_is_found_by_its_uuid_in_either_byte_order() -> None:
    driver = BmcDriver([FakeBmc("one", A), FakeBmc("two", B)], TIMING)
    assert await driver.power([A_TURNED, VmId(B)]) == {A_TURNED: Power.ON, VmId(B): Power.ON}


async def test_two_questions_at_once_meet_a_bmc_one_after_the_other() -> None:
    driver = BmcDriver([FakeBmc("one", A)], TIMING)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(driver.power([VmId(A)])) for _ in range(3)]
    assert [each.result() for each in asked] == [{VmId(A): Power.ON}] * 3


async def test_a_bmc_that_is_away_makes_its_own_machine_unknown_and_no_other() -> None:
    one, two = FakeBmc("one", A), FakeBmc("two", B)
    driver = BmcDriver([one, two], TIMING)
    await driver.power([VmId(A)])
    one.away = "it cannot be reached"
    assert await driver.power([VmId(A), VmId(B)]) == {VmId(A): Power.UNKNOWN, VmId(B): Power.ON}


async def test_a_bmc_that_does_not_answer_in_time_is_not_waited_for() -> None:
    one, two = FakeBmc("one", A), FakeBmc("two", B)
    one.seconds = 1000.0
    driver = BmcDriver([one, two], TIMING)
    async with asyncio.timeout(9):
        assert await driver.power([VmId(A), VmId(B)]) == {VmId(A): Power.UNKNOWN, VmId(B): Power.ON}


async def test_a_machine_that_two_bmcs_claim_is_unknown_from_then_on_also_when_one_of_them_is_away() -> None:
    """Boards come with the same UUID: the one that is off may be another."""
    one, two = FakeBmc("one", A), FakeBmc("two", A_TURNED)
    one.states[A] = Power.OFF
    driver = BmcDriver([one, two], TIMING)
    assert await driver.power([VmId(A)]) == {VmId(A): Power.UNKNOWN}
    two.away = "it cannot be reached"
    assert await driver.power([VmId(A)]) == {VmId(A): Power.UNKNOWN}
    assert await driver.power_off(VmId(A)) is Power.UNKNOWN
    assert one.orders == two.orders == []


async def test_only_the_bmc_that_has_the_machine_is_asked_again() -> None:
    one, two = FakeBmc("one", A), FakeBmc("two", B)
    driver = BmcDriver([one, two], TIMING)
    await driver.power([VmId(A)])
    await driver.power([VmId(A)])
    one.away = "it cannot be reached"
    await driver.power([VmId(A)])
    assert (one.reads, two.reads) == (3, 1)


async def test_a_machine_that_another_bmc_has_now_is_unknown_until_the_controller_starts_anew() -> None:
    one, two = FakeBmc("one", A), FakeBmc("two")
    driver = BmcDriver([one, two], TIMING)
    await driver.power([VmId(A)])
    two.states, one.states = one.states, {}
    assert await driver.power([VmId(A)]) == {VmId(A): Power.UNKNOWN}
    assert await BmcDriver([one, two], TIMING).power([VmId(A)]) == {VmId(A): Power.ON}


async def test_power_off_waits_until_the_machine_is_read_as_off() -> None:
    bmc = FakeBmc("one", A)
    driver = BmcDriver([bmc], TIMING)
    assert await driver.power_off(A_TURNED) is Power.OFF
    assert await driver.power_off(A_TURNED) is Power.OFF
    assert bmc.orders == [A]


async def test_an_order_that_was_taken_and_not_carried_out_is_not_off() -> None:
    bmc = FakeBmc("one", A)
    bmc.off_after = None
    async with asyncio.timeout(15):
        assert await BmcDriver([bmc], TIMING).power_off(VmId(A)) is Power.ON
    assert bmc.orders == [A]


async def test_an_order_that_was_refused_is_not_waited_for() -> None:
    bmc = FakeBmc("one", A)
    bmc.refuses = "not licensed"
    async with asyncio.timeout(1):
        assert await BmcDriver([bmc], TIMING).power_off(VmId(A)) is Power.ON


async def test_a_machine_on_its_way_is_not_off() -> None:
    bmc = FakeBmc("one", A)
    bmc.states[A] = Power.UNKNOWN
    assert await BmcDriver([bmc], TIMING).power([VmId(A)]) == {VmId(A): Power.UNKNOWN}


async def test_a_change_that_nobody_ordered_is_told_under_both_names() -> None:
    bmc = FakeBmc("one", A)
    events = aiter(BmcDriver([bmc], TIMING).watch_power())
    first = await anext(events)
    bmc.states[A] = Power.OFF
    assert [first, await anext(events), await anext(events)] == [
        PowerEvent(None),
        PowerEvent(VmId(A)),
        PowerEvent(A_TURNED),
    ]


async def test_a_bmc_that_comes_back_tells_no_change_where_there_was_none() -> None:
    bmc = FakeBmc("one", A)
    events = aiter(BmcDriver([bmc], TIMING).watch_power())
    await anext(events)
    asyncio.get_running_loop().call_later(25, setattr, bmc, "away", "")
    bmc.away = "it cannot be reached"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await anext(events)


async def test_without_an_interval_nobody_is_looked_at() -> None:
    bmc = FakeBmc("one", A)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await anext(aiter(BmcDriver([bmc], Timing(watch_every=0)).watch_power()))
    assert bmc.reads == 0
