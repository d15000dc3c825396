"""The storage suite, on every driver of this package: reberth/testing."""

from __future__ import annotations

from reberth.testing import HypervisorSuite, StorageSuite


class TestDriver(StorageSuite, HypervisorSuite):
    """Each rig of the folder, one after the other."""
