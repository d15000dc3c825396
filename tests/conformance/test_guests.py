"""The suite of guests' addresses, on every driver of this package that is a hypervisor's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from reberth.testing import LocatedRig, LocatedSuite
from tests.conformance.lab_rig import LabRig
from tests.conformance.libvirt_rig import LibvirtRig
from tests.conformance.rigs import MemoryRig
from tests.conformance.vsphere_rig import VsphereFaultsRig, VsphereRig

LOCATED: dict[str, Callable[[], AbstractAsyncContextManager[LocatedRig]]] = {
    "memory": MemoryRig,
    "lab": LabRig,
    "libvirt": LibvirtRig,
    "vsphere": VsphereRig,
    "vsphere-faults": VsphereFaultsRig,
}


@pytest.fixture(params=LOCATED)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[LocatedRig]:
    async with LOCATED[request.param]() as rig:
        yield rig


class TestGuests(LocatedSuite):
    """Each of these rigs, one after the other."""
