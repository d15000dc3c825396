"""The rig on Ceph, and the site of what is not a suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from reberth.testing import Kind
from tests.ceph.site import RbdSite, shared_rbd_site
from tests.conformance.rbd_rig import RbdRig


@pytest.fixture
def kind() -> Kind:
    return Kind("libvirt-rbd")


@pytest.fixture
async def rig() -> AsyncIterator[RbdRig]:
    async with RbdRig() as rig:
        yield rig


@pytest.fixture
async def site() -> AsyncIterator[RbdSite]:
    made = await asyncio.to_thread(shared_rbd_site)
    await asyncio.to_thread(made.reset)
    yield made
    await asyncio.to_thread(made.reset)
