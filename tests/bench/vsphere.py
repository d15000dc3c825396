"""
What the vSphere driver costs: `python -m tests.bench.vsphere`. Numbers to look at, not to assert.

1. One observation of many VMs with their disks, in pages of 100 as vCenter's: requests, bytes, time and memory (with
   our fault layer, which counts them).
2. Sixty disks of one VM against one, at two seconds a reconfiguration: requests and time (with our fault layer).
3. A failover of one disk and of sixty among 3,000 VMs of others, the driver's part, at two seconds a reconfiguration.
4. Requests of an idle hour: counted in a minute, with a look every 15 s as the controller's loop takes.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping

from controller.model import DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import Created, Done
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver
from tests.vcsim.admin import Admin
from tests.vcsim.server import Simulator, Started
from tests.vcsim.server import Spec as Simulated

ONE = Epoch(1)
RESYNC = 15.0


def memory() -> float:
    """The most memory that this process ever had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def driver_for(simulator: Simulator, **settings: object) -> VsphereDriver:
    made = create(simulator.settings(**settings))
    assert isinstance(made, VsphereDriver)
    return made


def spent(driver: VsphereDriver, before: Mapping[str, int]) -> Counter[str]:
    return Counter(driver.sent) - Counter(before)


async def new_disks(driver: VsphereDriver, count: int) -> list[DiskId]:
    made = [await driver.create(VolumeKey(f"d{number}"), Spec(2**20)) for number in range(count)]
    return [each.disk for each in made if isinstance(each, Created)]


async def observation(vms: int, disks: int) -> None:
    with Started(Simulated(vms=vms, faults=True, page=100)) as simulator:
        admin = Admin(simulator)
        names = [admin.uuid(index) for index in range(min(vms, 10))]
        driver = driver_for(simulator, whole_look=3600)
        made = await new_disks(driver, disks)
        each = -(-disks // vms)
        for index, vm in enumerate(admin.vms[:vms]):
            assert admin.attach_all(vm, made[index * each : (index + 1) * each]) is None
        admin.close()
        await driver.close()
        say(f"{vms} VMs, {disks} disks, peak {memory():.0f} MiB before")
        await observe(simulator, names)


async def observe(simulator: Simulator, names: list[VmId]) -> None:
    for title, every in (("by updates", 3600), ("whole each time", 0)):
        driver = driver_for(simulator, whole_look=every)
        for name, looks in (("the first look", 1), ("a look at what has not changed", 5)):
            await look(simulator, driver, f"{title}, {name}", looks)
        started = time.monotonic()
        await driver.power(names)
        say(f"  power of 10: {time.monotonic() - started:.2f} s")
        await driver.close()


async def look(simulator: Simulator, driver: VsphereDriver, title: str, looks: int) -> None:
    simulator.fault("bytes")
    before, cpu, times = driver.sent, time.process_time(), []
    for _ in range(looks):
        started = time.monotonic()
        found = await driver.list_attachments()
        times.append(time.monotonic() - started)
    cpu = (time.process_time() - cpu) / looks
    size = sum(int(line.split()[-1]) for line in simulator.fault("bytes").splitlines()) / looks
    requests = spent(driver, before).total() / looks
    say(f"{title}: {len(found.attachments)} attachments, {min(times):.2f} to {max(times):.2f} s,")
    say(f"  {requests:.0f} requests, {size / 1000:.1f} kB, {cpu:.3f} s of our CPU, peak {memory():.0f} MiB")


async def batch(count: int) -> None:
    with Started(Simulated(faults=True, task_time="2s")) as simulator:
        admin = Admin(simulator)
        admin.show_uuids()
        vm = admin.uuid(0)
        driver = driver_for(simulator, disks_per_controller=64)
        disks = await new_disks(driver, count)
        for wanted in (disks[:1], disks):
            for name, act in (("attach", driver.attach), ("detach", driver.detach)):
                before, started = driver.sent, time.monotonic()
                assert await act(wanted, vm, ONE) == [Done()] * len(wanted)
                took, requests = time.monotonic() - started, spent(driver, before)
                say(f"{name} of {len(wanted)}: {took:.1f} s, {requests.total()} requests {dict(requests)}")
        admin.close()
        await driver.close()


async def failover(vms: int, count: int) -> None:
    """Look, power, detach, look, attach, the devices' names, look: as the loop has it done when a machine is off."""
    strangers = Simulated(faults=True, vms=vms, hosts=max(3, vms // 50), disks=1, page=100, task_time="2s")
    with Started(strangers) as simulator:
        admin = Admin(simulator)
        old, new = admin.uuid(0), admin.uuid(1)
        for index in (0, 1):
            admin.set_extra(admin.vms[index], disk_EnableUUID="TRUE")
        driver = driver_for(simulator, disks_per_controller=64)
        disks = await new_disks(driver, count)
        say(f"{vms} VMs with {2 * vms} disks, peak {memory():.0f} MiB before the first look")
        await look(simulator, driver, "the first look", 1)
        for wanted in (disks[:1], disks):
            assert await driver.attach(wanted, old, ONE) == [Done()] * len(wanted)
            await driver.list_attachments()
            assert admin.switch(old, Power.OFF) is None
            await one_failover(simulator, driver, wanted, old, new)
            assert admin.switch(old, Power.ON) is None
            assert await driver.detach(wanted, new, ONE) == [Done()] * len(wanted)
        admin.close()
        await driver.close()


async def one_failover(simulator: Simulator, driver: VsphereDriver, disks: list[DiskId], old: VmId, new: VmId) -> None:
    simulator.fault("bytes")
    before, cpu, started, times = driver.sent, time.process_time(), time.monotonic(), dict[str, float]()

    def mark(step: str) -> None:
        times[step] = round(time.monotonic() - started, 1)

    held = (await driver.list_attachments()).attachments
    assert {each.disk for each in held if each.vm == old} == set(disks)
    assert await driver.power([old]) == {old: Power.OFF}
    mark("off")
    assert await driver.detach(disks, old, ONE) == [Done()] * len(disks)
    mark("detached")
    assert not (await driver.list_attachments()).attachments
    assert await driver.attach(disks, new, ONE) == [Done()] * len(disks)
    mark("attached")
    await asyncio.gather(*(driver.device(disk, new) for disk in disks))  # each is asked by a container's Mount
    mark("named")
    assert len((await driver.list_attachments()).attachments) == len(disks)
    took, cpu = time.monotonic() - started, time.process_time() - cpu
    size = sum(int(line.split()[-1]) for line in simulator.fault("bytes").splitlines())
    requests = spent(driver, before)
    say(f"failover of {len(disks)}: {took:.1f} s {times}, {requests.total()} requests {dict(requests)},")
    say(f"  {size / 1000:.1f} kB, {cpu:.2f} s of our CPU, peak {memory():.0f} MiB")


async def idle(seconds: float) -> None:
    with Started(Simulated(vms=3)) as simulator:
        driver = driver_for(simulator)
        await driver.list_attachments()
        before = driver.sent
        ends = time.monotonic() + seconds
        looks = 0
        while time.monotonic() < ends:
            await driver.list_attachments()
            looks += 1
            await asyncio.sleep(RESYNC)
        requests = spent(driver, before).total() / looks
        say(f"idle: {requests:.0f} request a look, {requests * 3600 / RESYNC:.0f} an hour, and 60 of the watch")
        await driver.close()


def main() -> None:
    options = argparse.ArgumentParser(description="What the vSphere driver costs, on the simulator")
    options.add_argument("--vms", type=int, default=300)
    options.add_argument("--disks", type=int, default=2000)
    options.add_argument("--idle", type=float, default=60.0, help="seconds")
    chosen = options.parse_args()
    asyncio.run(batch(60))
    asyncio.run(failover(3003, 60))
    asyncio.run(observation(chosen.vms, chosen.disks))
    asyncio.run(idle(chosen.idle))


if __name__ == "__main__":
    main()
