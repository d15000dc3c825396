"""The suites, on RBD images of a real Ceph cluster under real libvirt and QEMU."""

from __future__ import annotations

from reberth.testing import CloneSuite, GrowthSuite, HypervisorSuite, MarkedSuite, StorageSuite


class TestDriver(StorageSuite, HypervisorSuite):
    """Disks and machines."""


class TestClones(CloneSuite):
    """Copies."""


class TestGrowth(GrowthSuite):
    """Growth."""


class TestOwners(MarkedSuite):
    """Whose the pool is."""
