"""The power suite, on every driver that knows power, alone or with disks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reberth.testing import Kind, PowerRig, PowerSuite
from tests.conformance.bmc_rigs import BMC_RIGS, PowerRigKind
from tests.conformance.rigs import RIGS, RigKind


class TestPower(PowerSuite):
    """Each of their rigs, one after the other."""

    @pytest.fixture(params=[*RIGS, *BMC_RIGS], ids=lambda each: each.kind.name)
    def made(self, request: pytest.FixtureRequest) -> RigKind | PowerRigKind:
        chosen: RigKind | PowerRigKind = request.param
        return chosen

    @pytest.fixture
    def kind(self, made: RigKind | PowerRigKind) -> Kind:
        return made.kind

    @pytest.fixture
    async def rig(self, made: RigKind | PowerRigKind) -> AsyncIterator[PowerRig]:
        async with made.make() as rig:
            yield rig
