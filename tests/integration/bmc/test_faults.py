"""BMCs of real virtual machines that are away, slow, asked with a wrong password, or have several systems."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controller.model import Power, VmId
from drivers.base import PowerDriver
from drivers.bmc import create_fence_agent, create_ipmi, create_redfish
from drivers.shared.settings import SettingsError
from tests.bmc.site import BmcSite, seen_off

Made = Callable[..., PowerDriver]
Way = tuple[Callable[[Mapping[str, object]], PowerDriver], Callable[..., dict[str, object]]]
WAYS: dict[str, Way] = {
    "redfish": (create_redfish, BmcSite.redfish),
    "ipmi": (create_ipmi, BmcSite.ipmi),
    "fence_redfish": (create_fence_agent, BmcSite.fence_redfish),
    "fence_ipmilan": (create_fence_agent, BmcSite.fence_ipmilan),
}


@pytest.fixture
def site() -> Iterator[BmcSite]:
    with BmcSite() as made:
        yield made


@pytest.fixture(params=WAYS)
async def driver(site: BmcSite, request: pytest.FixtureRequest) -> AsyncIterator[Made]:
    """Makes drivers, each way in its turn."""
    create, settings = WAYS[request.param]
    made: list[PowerDriver] = []

    def make(**more: object) -> PowerDriver:
        made.append(create(settings(site, **more)))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_power_off_cuts_the_power_of_that_machine_and_of_no_other(site: BmcSite, driver: Made) -> None:
    one, other = site.vms
    async with asyncio.timeout(90):
        assert await driver().power_off(one) is Power.OFF
    seen_off(site.host, one, 0)
    assert site.host.domain(other).isActive()


async def test_a_bmc_that_is_slow_makes_unknown_until_it_answers_again(site: BmcSite, driver: Made) -> None:
    ours = driver(deadline=3)
    (vm, off) = site.vms
    site.host.stop(off)
    site.freeze()
    async with asyncio.timeout(40):
        assert await ours.power([vm, off]) == {vm: Power.UNKNOWN, off: Power.UNKNOWN}
        assert await ours.power_off(vm) is Power.UNKNOWN
    site.thaw()
    patient = driver(deadline=30)
    assert await patient.power([vm, off]) == {vm: Power.ON, off: Power.OFF}


async def test_with_a_wrong_password_a_machine_that_is_off_is_unknown(
    site: BmcSite, driver: Made, request: pytest.FixtureRequest
) -> None:
    (vm, _) = site.vms
    site.host.stop(vm)
    wrong = site.other_password()
    fence = "fence" in str(request.node.callspec.params["driver"])
    ours = driver(secrets={"password": wrong}) if fence else driver(password_file=wrong)
    assert await ours.power([vm]) == {vm: Power.UNKNOWN}
    assert await ours.power_off(vm) is Power.UNKNOWN


async def test_no_argument_of_any_program_has_the_password(
    site: BmcSite, driver: Made, request: pytest.FixtureRequest
) -> None:
    """But fence_ipmilan's own child, ipmitool, for which the agent is to blame: docs/power.md."""
    agent = "fence" in str(request.node.callspec.params["driver"])
    program = "fence_" if agent else "ipmitool\0-I\0lanplus\0-H\x00127.0.0.1\0-p"
    ours, seen, done = driver(), set[str](), asyncio.Event()

    async def look() -> None:
        while not done.is_set():
            seen.update(await asyncio.to_thread(_arguments))

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        await ours.power(site.vms)
        done.set()
    assert not any("pa ss:w=rd" in each for each in seen if program in each)


def _arguments() -> set[str]:
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(file.read_text(errors="replace"))
        except OSError:
            continue
    return found


async def test_redfish_tells_two_systems_behind_one_bmc_apart_by_their_uuids(site: BmcSite) -> None:
    one, other = site.vms
    site.host.stop(other)
    for settings in (site.redfish(), site.redfish(machines=[{"url": site.url, "vm": one}])):
        async with AsyncExitStack() as stack:
            ours = create_redfish(settings)
            stack.push_async_callback(ours.close)
            assert await ours.power([one]) == {one: Power.ON}


async def test_redfish_refuses_a_machine_that_the_settings_name_and_the_bmc_has_not(site: BmcSite) -> None:
    stranger = VmId("aaaaaaaa-0000-4000-8000-000000000002")
    one = site.vms[0]
    site.host.stop(one)
    machine = {"url": site.url, "vm": stranger, "system": f"/redfish/v1/Systems/{one}"}
    async with AsyncExitStack() as stack:
        ours = create_redfish(site.redfish(machines=[machine]))
        stack.push_async_callback(ours.close)
        assert await ours.power([stranger]) == {stranger: Power.UNKNOWN}


async def test_a_machine_whose_hypervisor_is_away_is_unknown(site: BmcSite, driver: Made) -> None:
    (vm, _) = site.vms
    site.host.stop(vm)
    site.host.stop_daemon()
    try:
        assert await driver().power([vm]) == {vm: Power.UNKNOWN}
    finally:
        site.host.start_daemon()


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        ("fence_brocade", "does not offer reboot"),
        ("fence_scsi", "does not offer reboot"),
        ("fence_kdump", "does not offer reboot, status"),
        ("fence_dummy", "for tests"),
        ("fence_no_such", "EXTRA_PACKAGES=fence-agents"),
    ],
)
def test_debians_agents_that_switch_no_power_are_refused(site: BmcSite, agent: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        create_fence_agent(site.fence_ipmilan(agent=agent))
