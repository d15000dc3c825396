"""
The conformance suite: what every driver must do, as classes of tests that a driver's own tests inherit.

It needs pytest and pytest-asyncio. Each class asks for a fixture ``rig``, which makes a storage system of its own for
one test (`StorageRig` and its kin), and, where it says so, ``kind`` (`Kind`): what that system cannot do. See
docs/drivers.md.
"""

import pytest

# Before they are imported: so that a failed assert shows its values.
pytest.register_assert_rewrite(
    "reberth.testing.allowed",
    "reberth.testing.clones",
    "reberth.testing.growth",
    "reberth.testing.guests",
    "reberth.testing.hypervisor",
    "reberth.testing.moved",
    "reberth.testing.owners",
    "reberth.testing.power",
    "reberth.testing.snapshots",
    "reberth.testing.storage",
)

from reberth.testing.allowed import BoundedSuite  # noqa: E402
from reberth.testing.clones import CloneSuite  # noqa: E402
from reberth.testing.growth import GrowthSuite  # noqa: E402
from reberth.testing.guests import LocatedSuite  # noqa: E402
from reberth.testing.hypervisor import HypervisorSuite  # noqa: E402
from reberth.testing.moved import MovedSuite  # noqa: E402
from reberth.testing.owners import MarkedSuite  # noqa: E402
from reberth.testing.power import PowerSuite  # noqa: E402
from reberth.testing.rigs import (  # noqa: E402
    BoundedRig,
    CloneRig,
    HypervisorRig,
    Kind,
    LocatedRig,
    MovingRig,
    PowerRig,
    SnapshotRig,
    StorageRig,
)
from reberth.testing.snapshots import SnapshotSuite  # noqa: E402
from reberth.testing.storage import StorageSuite  # noqa: E402

__all__ = [
    "BoundedRig",
    "BoundedSuite",
    "CloneRig",
    "CloneSuite",
    "GrowthSuite",
    "HypervisorRig",
    "HypervisorSuite",
    "Kind",
    "LocatedRig",
    "LocatedSuite",
    "MarkedSuite",
    "MovedSuite",
    "MovingRig",
    "PowerRig",
    "PowerSuite",
    "SnapshotRig",
    "SnapshotSuite",
    "StorageRig",
    "StorageSuite",
]
