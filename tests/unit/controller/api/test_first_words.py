"""What the hypervisor is asked when nodes name VMs for the first time: bounded in time, and few calls for many."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from controller.api.first_words import KEPT_SECONDS, MOST, WORD_SECONDS, FirstWords, Seen, Together
from controller.model import NodeId, Power, VmId
from drivers.base import DriverError
from drivers.guests import GuestAddresses
from drivers.memory import MemoryDriver
from drivers.memory_storage import Fault, MemoryStorage, Reading

pytestmark = pytest.mark.looptime

VM = VmId("vm-7")
TOLD = GuestAddresses(("10.0.7.7",), whole=True)


class Slow:
    """Answers for each VM with its name, ``seconds`` later."""

    def __init__(self, seconds: float, *failures: Exception) -> None:
        self.seconds = seconds
        self.failures = list(failures)
        self.calls: list[int] = []

    async def ask(self, vms: Sequence[VmId]) -> Mapping[VmId, str]:
        self.calls.append(len(vms))
        await asyncio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        return {vm: f"seen {vm}" for vm in vms if vm != "gone"}


async def asked(slow: Slow, *vms: str) -> tuple[list[str | None], float]:
    """The answers, and the seconds until the last of them."""
    clock, together = asyncio.get_running_loop().time, Together(slow.ask)
    began = clock()
    return list(await asyncio.gather(*(together.of(VmId(vm)) for vm in vms))), clock() - began


async def test_a_thousand_vms_that_are_named_at_once_are_asked_for_in_a_few_calls() -> None:
    slow = Slow(0.3)
    names = [f"vm-{number}" for number in range(1000)]
    answers, took = await asked(slow, *names)

    assert answers == [f"seen {name}" for name in names]
    assert (len(slow.calls), max(slow.calls), took < WORD_SECONDS) == (6, MOST, True)


async def test_of_a_crowd_the_first_are_told_in_time_where_the_hypervisor_is_slow() -> None:
    """One call for all would come too late for all."""
    answers, took = await asked(Slow(0.8), *(f"vm-{number}" for number in range(1000)))

    assert took == WORD_SECONDS
    assert len([each for each in answers if each is not None]) == 1 + MOST


async def test_a_hypervisor_that_does_not_answer_holds_nobody_longer_than_the_bound() -> None:
    answers, took = await asked(Slow(60.0), *(f"vm-{number}" for number in range(100)))

    assert set(answers) == {None}
    assert took == WORD_SECONDS


async def test_a_drivers_bug_is_as_unknown_as_what_cannot_be_read() -> None:
    """It must not keep nodes from telling which VM they are."""
    answers, _ = await asked(Slow(0.1, KeyError("guest.net")), "vm-1", "vm-2")

    assert answers == [None, "seen vm-2"]


async def test_what_cannot_be_read_is_unknown_for_all_who_asked_and_is_read_again_by_the_next() -> None:
    slow = Slow(0.1, DriverError("away"))
    together = Together(slow.ask)
    assert list(await asyncio.gather(together.of(VM), together.of(VmId("gone")))) == [None, None]
    assert list(await asyncio.gather(together.of(VM), together.of(VmId("gone")))) == [f"seen {VM}", None]
    assert len(slow.calls) <= 4


async def test_whoever_comes_during_a_call_gets_the_answer_of_one_that_began_after() -> None:
    slow = Slow(1.0)
    together = Together(slow.ask)
    async with asyncio.TaskGroup() as group:
        group.create_task(together.of(VM))
        await asyncio.sleep(0.5)
        later = group.create_task(together.of(VmId("vm-8")))
    assert later.result() == "seen vm-8"
    assert slow.calls == [1, 1]


def words(storage: MemoryStorage, *, located: bool = True) -> FirstWords:
    driver = MemoryDriver(storage)
    return FirstWords(asyncio.get_running_loop().time, driver, driver if located else None)


def with_vm(power: Power = Power.ON) -> MemoryStorage:
    storage = MemoryStorage()
    storage.add_vm(VM).addresses = TOLD
    storage.switch(VM, power)
    return storage


def reads(storage: MemoryStorage) -> list[object]:
    return [each.operation for each in storage.calls]


async def test_power_and_addresses_are_told() -> None:
    assert await words(with_vm()).of(NodeId("n"), VM) == Seen(off=False, guest=TOLD)
    assert (await words(with_vm(Power.OFF)).of(NodeId("n"), VM)).off
    assert await words(with_vm()).of(NodeId("n"), VmId("vm-8")) == Seen()


async def test_addresses_are_not_asked_for_where_they_do_not_count() -> None:
    storage = with_vm()
    assert await words(storage, located=False).of(NodeId("n"), VM) == Seen()
    assert reads(storage) == [Reading.POWER]


@pytest.mark.parametrize(("fails", "left"), [(Reading.POWER, Seen(guest=TOLD)), (Reading.ADDRESSES, Seen())], ids=str)
async def test_one_word_that_cannot_be_read_leaves_the_other(fails: Reading, left: Seen) -> None:
    storage = with_vm()
    storage.fail(fails, Fault.UNREACHABLE)
    assert await words(storage).of(NodeId("n"), VM) == left


async def test_who_names_the_same_vm_again_within_seconds_is_not_asked_about_again() -> None:
    storage = with_vm()
    first = words(storage)
    for _ in range(5):
        await first.of(NodeId("n"), VM)
    assert len(reads(storage)) == 2
    await first.of(NodeId("n"), VmId("vm-8"))
    await first.of(NodeId("m"), VM)
    assert len(reads(storage)) == 6
    await asyncio.sleep(KEPT_SECONDS)
    await first.of(NodeId("m"), VM)
    assert len(reads(storage)) == 8


async def test_what_was_not_known_is_asked_for_again_at_once() -> None:
    """Else a node that was to wait for something else would be believed without a question."""
    storage = with_vm()
    first = words(storage)
    storage.fail(Reading.ADDRESSES, Fault.UNREACHABLE)
    assert await first.of(NodeId("n"), VM) == Seen()
    assert await first.of(NodeId("n"), VM) == Seen(guest=TOLD)
