"""
VCenter restarts, or ends the session, at each request of each call in turn: before it is carried out, while it is, just
after it, or so that it takes a while to be up again.

Whatever happens, an outcome is true (done, surely not done, or in doubt), a look shows what is or nothing at all, no
disk is lost or on two VMs, and the same call made again ends well. On our fault layer: the library does not restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import count

import pytest

from controller.model import DiskId, Epoch, Power, Spec, VolumeKey
from drivers.base import Created, Done, DriverError, PowerEvent, Refused, Unreachable
from drivers.vsphere.driver import VsphereDriver
from reberth.testing.asking import ONE
from tests.support.awaiting import as_coroutine
from tests.vcsim.cuts import HOWS, SIZE, Change, World
from tests.vcsim.server import FAULTS, Started
from tests.vcsim.server import Spec as Simulated

Prepare = Callable[[World], Awaitable[Change]]
TEXT = b"what the source has"
LASTING = 0.15  # seconds of a task that is met in the middle


@pytest.fixture(scope="module")
def quick() -> Iterator[World]:
    with Started(FAULTS) as simulator:
        yield World(simulator)


@pytest.fixture(scope="module")
def slow() -> Iterator[World]:
    with Started(Simulated(faults=True, vms=4, task_time=f"{LASTING * 1000:.0f}ms")) as simulator:
        yield World(simulator, LASTING)


@pytest.fixture(autouse=True)
async def clean(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Each test leaves its VMs without disks of ours. A driver's threads belong to a loop, so each has its own hand."""
    world: World = request.getfixturevalue("quick" if "quick" in request.fixturenames else "slow")
    world.hand = world.driver()
    yield
    for disk, vm in await world.held():
        assert await world.hand.detach([disk], vm, ONE) == [Done()]
        assert await world.hand.delete(disk) == Done()
    await world.hand.close()


def one(call: Callable[[VsphereDriver], Awaitable[object]]) -> Callable[[VsphereDriver], Awaitable[list[object]]]:
    async def act(driver: VsphereDriver) -> list[object]:
        return [await call(driver)]

    return act


async def attach(world: World) -> Change:
    """Of two disks in one call."""
    disks, vm = [await world.disk(), await world.disk()], world.vms[0]

    async def happened() -> bool:
        return {(disk, vm) for disk in disks} <= set(await world.held())

    for disk, other in await world.held():  # of the try before
        await world.hand.detach([disk], other, ONE)
    return Change(lambda driver: driver.attach(disks, vm, ONE), happened)


async def detach(world: World) -> Change:
    disk, vm = await world.disk(), world.vms[0]
    assert await world.hand.attach([disk], vm, ONE) == [Done()]

    async def happened() -> bool:
        return (disk, vm) not in await world.held()

    return Change(lambda driver: driver.detach([disk], vm, ONE), happened)


async def make(world: World) -> Change:
    key = world.key()

    async def happened() -> bool:
        return world.file(key)

    return Change(one(lambda driver: driver.create(key, Spec(SIZE))), happened)


async def delete(world: World) -> Change:
    disk = await world.disk()

    async def happened() -> bool:
        return not world.file(disk)

    return Change(one(lambda driver: driver.delete(disk)), happened)


async def copy(world: World) -> Change:
    """Of a disk that is there: also how a snapshot is made. Nothing of a copy that was cut off is left in the end."""
    source = await world.hand.create(VolumeKey("source"), Spec(SIZE))
    assert isinstance(source, Created)
    (data,) = world.simulator.folder.rglob("source-flat.vmdk")
    data.write_bytes(TEXT)
    key = world.key()

    async def happened() -> bool:
        made = world.file(key)
        if made:
            (copied,) = world.simulator.folder.rglob(f"{key}-flat.vmdk")
            assert copied.read_bytes() == TEXT
        return made

    async def act(driver: VsphereDriver) -> list[object]:
        outcome = await driver.clone(key, Spec(SIZE), source.disk)
        if isinstance(outcome, Created):
            assert list(world.simulator.folder.rglob(f"_copy*{key}*")) == []
        return [outcome]

    return Change(act, happened)


async def grow(world: World) -> Change:
    disk, vm = await world.disk(), world.vms[0]
    for other, there in await world.held():
        await world.hand.detach([other], there, ONE)
    assert await world.hand.attach([disk], vm, ONE) == [Done()]

    async def happened() -> bool:
        return (await world.held())[disk, vm] == 2 * SIZE >> 10

    return Change(one(lambda driver: driver.grow(disk, 2 * SIZE)), happened)


async def power_off(world: World) -> Change:
    vm = world.vms[1]
    await world.switch_on(vm)

    async def happened() -> bool:
        return await world.power(vm) == "poweredOff"

    return Change(one(lambda driver: driver.power_off(vm)), happened)


async def mark(world: World) -> Change:
    swarm = world.key()

    async def happened() -> bool:
        return world.file(f"_swarm.{swarm}.vmdk")

    return Change(one(lambda driver: driver.mark(swarm)), happened)


async def unmark(world: World) -> Change:
    swarm = world.key()
    assert await world.hand.mark(swarm) == Done()

    async def happened() -> bool:
        return not world.file(f"_swarm.{swarm}.vmdk")

    return Change(one(lambda driver: driver.unmark(swarm)), happened)


CHANGES: dict[str, tuple[Prepare, str]] = {  # each with the method that does it
    "attach": (attach, "ReconfigVM_Task"),
    "detach": (detach, "ReconfigVM_Task"),
    "create": (make, "CreateVirtualDisk_Task"),
    "delete": (delete, "DeleteVirtualDisk_Task"),
    "copy": (copy, "MoveVirtualDisk_Task"),
    "grow": (grow, "ReconfigVM_Task"),
    "power off": (power_off, "PowerOffVM_Task"),
    "mark": (mark, "CreateVirtualDisk_Task"),
    "unmark": (unmark, "DeleteVirtualDisk_Task"),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", CHANGES)
async def test_a_call_that_is_cut_at_any_request_has_a_true_outcome_and_the_next_one_repairs(
    quick: World, name: str, how: str
) -> None:
    prepare, method = CHANGES[name]
    met = await quick.sweep(prepare, how)
    assert met[method] == 1, met


@pytest.mark.parametrize("name", ["attach", "detach", "grow", "power off"])
async def test_what_a_host_goes_on_with_while_vcenter_restarts_is_in_doubt_until_it_is_shown(
    slow: World, name: str
) -> None:
    prepare, method = CHANGES[name]
    for how in ("restarts-within", "restarts-after"):
        met = await slow.sweep(prepare, how)
        assert met[method] == 1, met


async def test_an_attach_under_way_on_a_host_does_not_let_another_vm_have_the_disk_too(slow: World) -> None:
    """What the controller does next, which does not know whether it is done."""
    disk, (vm, other) = await slow.disk(), slow.vms[2:]
    driver = slow.driver()
    for at in count(1):
        before, after = Epoch(2 * at), Epoch(2 * at + 1)
        await driver.list_attachments()
        await slow.fault("cut", at=str(at), how="restarts-after")
        (first,) = await driver.attach([disk], vm, before)
        method = await slow.fault("uncut")
        (second,) = await driver.attach([disk], other, after)
        await slow.settled()
        (holder,) = [there for held, there in await slow.held() if held == disk]
        where = (at, method, first, second)
        assert holder == vm if first == Done() else holder in {vm, other}, where
        assert holder == other if second == Done() or isinstance(first, Refused | Unreachable) else True, where
        assert await driver.detach([disk], holder, after) == [Done()]
        if not method:
            break
    await driver.close()


async def looks(driver: VsphereDriver, world: World, disk: DiskId) -> dict[str, Callable[[], Awaitable[object]]]:
    vm = world.vms[0]

    async def listed() -> object:
        return await driver.list_attachments()

    async def rooms() -> object:
        return [(each.name, each.free) for each in await driver.rooms()]

    return {
        "list": listed,
        "keys": lambda: driver.keys(""),
        "device": lambda: driver.device(disk, vm),
        "power": lambda: driver.power(world.vms),
        "concerns": lambda: driver.concerns({vm: "another"}),
        "owners": driver.owners,
        "rooms": rooms,
    }


@pytest.mark.parametrize("how", ["ends-before", "restarts-within", "starts"])
@pytest.mark.parametrize("fresh", [False, True], ids=["in a session", "from the login on"])
async def test_a_look_that_is_cut_at_any_request_shows_all_there_is_or_nothing(
    quick: World,
    how: str,
    fresh: bool,
) -> None:
    disk = await quick.disk()
    assert await quick.hand.attach([disk], quick.vms[0], ONE) == [Done()]
    for name in ["list"] if fresh else ["list", "keys", "device", "power", "concerns", "owners", "rooms"]:
        driver = quick.driver()
        expected = await (await looks(driver, quick, disk))[name]()
        for at in count(1):
            if fresh:
                await driver.close()
                driver = quick.driver()
            ask = (await looks(driver, quick, disk))[name]
            await quick.fault("cut", at=str(at), how=how)
            with suppress(DriverError):  # nothing is told
                assert await ask() == expected, f"{name}: {how} of request {at}"
            method = await quick.fault("uncut")
            assert await ask() == expected, f"{name} after {how} of request {at} ({method})"
            if not method:
                break
        await driver.close()


@pytest.mark.parametrize("how", ["ends-before", "restarts-within"])
async def test_a_watch_that_is_cut_at_any_request_comes_back_and_tells_that_it_missed_something(
    quick: World, how: str
) -> None:
    vm = quick.vms[2]
    for at in count(1):
        driver = quick.driver()
        await quick.switch_on(vm)
        await quick.fault("cut", at=str(at), how=how)
        events = driver.watch_power()
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            assert await anext(events) == PowerEvent(None)
            waits = group.create_task(as_coroutine(anext(events)))
            await asyncio.sleep(0.2)  # its request is on its way, and may be the one that is cut
            method = await quick.fault("uncut")
            assert await quick.hand.power_off(vm) is Power.OFF
            assert isinstance(await waits, PowerEvent)
        await driver.close()
        if not method:
            break
