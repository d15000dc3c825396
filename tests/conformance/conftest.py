"""The rigs, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reberth.testing import Kind
from tests.conformance.rigs import RIGS, Rig, RigKind


@pytest.fixture(params=RIGS, ids=lambda each: each.kind.name)
def made(request: pytest.FixtureRequest) -> RigKind:
    chosen: RigKind = request.param
    return chosen


@pytest.fixture
def kind(made: RigKind) -> Kind:
    return made.kind


@pytest.fixture
async def rig(made: RigKind) -> AsyncIterator[Rig]:
    async with made.make() as rig:
        yield rig
