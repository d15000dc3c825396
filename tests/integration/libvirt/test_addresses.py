"""What real libvirt and QEMU tell of the addresses of guests: with an agent that answers, one that hangs, and none."""

from __future__ import annotations

import asyncio
import time

from controller.model import Power, VmId
from drivers.guests import GuestAddresses
from drivers.libvirt.driver import LibvirtDriver
from tests.libvirtd.driver import running
from tests.libvirtd.guest import AGENT, AGENT_ADDRESS, boot
from tests.libvirtd.hypervisor import CONTROLLER, Hypervisor, until
from tests.libvirtd.site import Site

BOOTED = 120  # seconds that a guest may take on a busy machine
WHOLE = GuestAddresses(("127.0.0.1", AGENT_ADDRESS), whole=True)


async def with_agent(site: Site, ours: LibvirtDriver) -> VmId:
    """A guest whose agent answers."""
    host = site.hosts[0]
    vm = host.define(boot(site.folder), controller=CONTROLLER + AGENT)
    host.start(vm)
    await asyncio.to_thread(until, lambda: "GUEST-UP" in host.console(vm), "the guest is up", BOOTED)
    async with asyncio.timeout(BOOTED):
        while not await ours.addresses([vm]):  # noqa: ASYNC110 - only the agent knows when
            await asyncio.sleep(0.2)
    return vm


async def timed(ours: LibvirtDriver, *vms: VmId) -> tuple[dict[VmId, GuestAddresses], float]:
    began = time.monotonic()
    found = await ours.addresses(vms)
    return dict(found), time.monotonic() - began


async def test_an_agent_tells_all_addresses_of_its_guest(site: Site, ours: LibvirtDriver) -> None:
    vm = await with_agent(site, ours)
    assert (await timed(ours, vm))[0] == {vm: WHOLE}


async def test_an_agent_that_hangs_tells_nothing_in_time_and_holds_up_nobody(site: Site, ours: LibvirtDriver) -> None:
    """libvirt waits for it, five seconds each time; the others are told of, and looks at VMs go on."""
    vm, host = await with_agent(site, ours), site.hosts[0]
    spoken = running(host)
    address = await asyncio.to_thread(host.lease, spoken)
    host.domain(vm).suspend()
    for _ in range(3):
        found, took = await timed(ours, vm, spoken)
        assert found == {spoken: GuestAddresses((address,), whole=False)}
        assert took < 3.0
    began = time.monotonic()
    assert await ours.power([vm]) == {vm: Power.ON}
    assert (await ours.list_attachments()).unread == ()
    assert time.monotonic() - began < 3.0


async def test_guests_without_an_agent_or_a_network_tell_nothing(site: Site, ours: LibvirtDriver) -> None:
    plain, bare = running(site.hosts[0]), running(site.hosts[1], controller=CONTROLLER + AGENT)
    found, took = await timed(ours, plain, bare, VmId("ffffffff-0000-4000-8000-000000000000"))
    assert (found, took < 3.0) == ({}, True)


async def test_a_vm_is_found_on_whichever_host_it_runs(site: Site, ours: LibvirtDriver) -> None:
    host: Hypervisor = site.hosts[1]
    vm = running(host)
    address = await asyncio.to_thread(host.lease, vm)
    assert await ours.addresses([vm]) == {vm: GuestAddresses((address,), whole=False)}
    host.stop(vm)
    assert await ours.addresses([vm]) == {}
