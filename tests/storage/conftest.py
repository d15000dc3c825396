"""The rig on Ceph."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reberth.testing import Kind
from tests.conformance.rbd_rig import RbdRig


@pytest.fixture
def kind() -> Kind:
    return Kind("libvirt-rbd")


@pytest.fixture
async def rig() -> AsyncIterator[RbdRig]:
    async with RbdRig() as rig:
        yield rig
