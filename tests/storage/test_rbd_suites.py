"""The suites, on RBD images of a real Ceph cluster under real libvirt and QEMU."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reberth.testing import CloneSuite, GrowthSuite, HypervisorSuite, MarkedSuite, StorageSuite
from tests.conformance.rbd_rig import RbdAwayRig


class TestDriver(StorageSuite, HypervisorSuite):
    """Disks and machines."""


class TestClones(CloneSuite):
    """Copies."""


class TestGrowth(GrowthSuite):
    """Growth."""


class TestOwners(MarkedSuite):
    """Whose the pool is."""

    @pytest.fixture
    async def rig(self) -> AsyncIterator[RbdAwayRig]:
        async with RbdAwayRig() as rig:
            yield rig
