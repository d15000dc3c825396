"""The storage suite on LUNs of a real iSCSI target with persistent reservations."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reberth.testing import Kind, StorageSuite
from tests.conformance.lun_rig import LunRig


@pytest.fixture
def kind() -> Kind:
    return Kind("lun")


@pytest.fixture
async def rig() -> AsyncIterator[LunRig]:
    async with LunRig() as rig:
        yield rig


class TestDriver(StorageSuite):
    """On one guest for all of them."""
