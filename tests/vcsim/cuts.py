"""
A driver whose calls are cut at each of their requests in turn, as by a vCenter that restarts or a session that is
ended; and beside it the truth, which the simulator itself tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count

from controller.model import DiskId, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done, Refused, Unreachable
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver
from tests.vcsim.admin import Admin
from tests.vcsim.server import DATASTORE, Simulator

SIZE = 64 * 2**20
HOWS = ("ends-before", "restarts-before", "restarts-within", "restarts-after", "starts")
OURS = f"[{DATASTORE}] reberth/"
TRIES = 5


@dataclass(frozen=True)
class Change:
    """``act`` may be done again and again; ``happened`` is the truth about it."""

    act: Callable[[VsphereDriver], Awaitable[Sequence[object]]]
    happened: Callable[[], Awaitable[bool]]


def good(result: object) -> bool:
    return isinstance(result, Done | Created) or result is Power.OFF


class World:
    """``lasting``: seconds that a task on a VM takes."""

    def __init__(self, simulator: Simulator, lasting: float = 0.0) -> None:
        self.simulator = simulator
        self.lasting = lasting
        admin = Admin(simulator)
        admin.show_uuids()
        self.vms = [admin.uuid(index) for index in range(len(admin.vms))]
        self.names = {vm: admin.name(vm) for vm in self.vms}
        admin.close()
        self.hand = self.driver()  # whose calls are not cut
        self._numbers = count(1)

    def driver(self, **settings: object) -> VsphereDriver:
        made = create(self.simulator.settings(**settings))
        assert isinstance(made, VsphereDriver)
        return made

    def key(self) -> VolumeKey:
        return VolumeKey(f"data-{next(self._numbers):04}")

    async def disk(self) -> DiskId:
        made = await self.hand.create(self.key(), Spec(SIZE))
        assert isinstance(made, Created), made
        return made.disk

    async def switch_on(self, vm: VmId) -> None:
        def act() -> None:
            admin = Admin(self.simulator)
            if admin.vm(vm).runtime.powerState != "poweredOn":
                assert admin.switch(vm, Power.ON) is None
            admin.close()

        await asyncio.to_thread(act)

    async def fault(self, name: str, /, **form: str) -> str:
        return await asyncio.to_thread(lambda: self.simulator.fault(name, **form))

    async def held(self) -> dict[tuple[DiskId, VmId], int]:
        """Our disks on VMs, with their sizes in KiB."""
        rows = [line.split("\t") for line in (await self.fault("held")).splitlines()]
        return {(DiskId(file), VmId(vm)): int(size) for vm, _, file, size in rows if file.startswith(OURS)}

    async def power(self, vm: VmId) -> str:
        rows = [line.split("\t") for line in (await self.fault("held")).splitlines()]
        return next(power for uuid, power, *_ in rows if uuid == vm)

    def file(self, name: str) -> bool:
        """Whether there is such a disk: its descriptor and its data."""
        base = name.rsplit("/", 1)[-1].removesuffix(".vmdk")
        found = [path.name for path in self.simulator.folder.rglob(f"reberth/{base}*")]
        assert sorted(found) in ([], [f"{base}-flat.vmdk", f"{base}.vmdk"]), found
        return bool(found)

    async def settled(self) -> None:
        """Whatever hosts were doing is done."""
        await asyncio.sleep(2 * self.lasting)

    async def sweep(self, prepare: Callable[[World], Awaitable[Change]], how: str) -> Counter[str]:
        """Each request of a call is cut once, until it has no more; the requests that were cut, by method."""
        met: Counter[str] = Counter()
        driver = self.driver()
        await driver.list_attachments()
        for at in count(1):
            change = await prepare(self)
            await self.fault("cut", at=str(at), how=how)
            results = await change.act(driver)
            method = await self.fault("uncut")
            await self._judge(driver, change, results, f"{how} of request {at} ({method})")
            if not method:
                break
            met[method] += 1
        await driver.close()
        return met

    async def _judge(self, driver: VsphereDriver, change: Change, results: Sequence[object], where: str) -> None:
        """The answer is true, the next look shows what is, and the next call repairs."""
        if any(map(good, results)):
            assert await change.happened(), (where, results)
        await self.settled()
        if all(isinstance(each, Refused | Unreachable) for each in results):
            assert not await change.happened(), (where, results)
        await self._shown(driver, where)
        for _ in range(TRIES):
            results = await change.act(driver)
            if all(map(good, results)):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError((where, results))
        assert await change.happened(), where

    async def _shown(self, driver: VsphereDriver, where: str) -> None:
        listed, truth = await driver.list_attachments(), await self.held()
        assert {(each.disk, each.vm) for each in listed.attachments} == set(truth), where
        assert listed.unread == (), where
        twice = [disk for disk, times in Counter(disk for disk, _ in truth).items() if times > 1]
        assert twice == [], where
