"""The suite of the setting ``vms``, on every driver of this package that has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from reberth.testing import BoundedRig, BoundedSuite
from tests.conformance.libvirt_rig import LibvirtRig
from tests.conformance.vsphere_rig import VsphereFaultsRig, VsphereRig

# A lab's machine host belongs to one lab; what the memory driver calls `vms` are the machines that it has.
BOUNDED: dict[str, Callable[[], AbstractAsyncContextManager[BoundedRig]]] = {
    "libvirt": LibvirtRig,
    "vsphere": VsphereRig,
    "vsphere-faults": VsphereFaultsRig,
}


@pytest.fixture(params=BOUNDED)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[BoundedRig]:
    async with BOUNDED[request.param]() as rig:
        yield rig


class TestAllowed(BoundedSuite):
    """Each of these rigs, one after the other."""
