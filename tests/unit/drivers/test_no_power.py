from __future__ import annotations

import asyncio

import pytest
from msgspec import ValidationError

from controller.model import Power, VmId
from drivers.base import PowerDriver
from drivers.no_power import create

VM = VmId("00000000-0000-4000-8000-000000000001")


async def test_without_a_power_driver_no_machine_is_ever_seen_off() -> None:
    driver: PowerDriver = create({})
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}
    assert await driver.power_off(VM) is Power.UNKNOWN


async def test_nothing_is_ever_reported() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(aiter(create({}).watch_power()))


def test_it_has_no_settings() -> None:
    with pytest.raises(ValidationError, match="address"):
        create({"address": "x"})
