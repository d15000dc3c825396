"""The suite of moved disks, on every driver of this package under which somebody can move one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from reberth.testing import MovedSuite, MovingRig
from tests.conformance.libvirt_rig import LibvirtRig
from tests.conformance.rigs import MemoryRig
from tests.conformance.vsphere_rig import VsphereFaultsRig

# A disk of the lab is a file of its machine host's own, which nobody else can put elsewhere under a running machine.
MOVING: dict[str, Callable[[], AbstractAsyncContextManager[MovingRig]]] = {
    "memory": MemoryRig,
    "libvirt": LibvirtRig,
    "vsphere-faults": VsphereFaultsRig,
}


@pytest.fixture(params=MOVING)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[MovingRig]:
    async with MOVING[request.param]() as rig:
        yield rig


class TestMoved(MovedSuite):
    """Each of these rigs, one after the other."""
