"""The site and the driver that tests of libvirt begin with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.libvirt.driver import LibvirtDriver
from tests.libvirtd.driver import settings
from tests.libvirtd.site import Site, shared_site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = await asyncio.to_thread(shared_site)
    await asyncio.to_thread(made.reset)
    yield made
    await asyncio.to_thread(made.reset)


@pytest.fixture
async def ours(site: Site) -> AsyncIterator[LibvirtDriver]:
    made = LibvirtDriver(settings(site))
    yield made
    await made.close()
