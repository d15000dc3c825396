"""The table of endpoints is the only place that knows a path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.protocol.endpoint import Access
from controller.protocol.endpoints import ENDPOINTS
from tests.support.shell import FakeCluster

SOURCES = Path(__file__).parents[4] / "controller"


@pytest.mark.looptime
async def test_every_endpoint_is_answered_and_nothing_else_is() -> None:
    """A row without a method, or a method without a row, is found here and not by a gate."""
    answered = [each.endpoint for each in FakeCluster().controller().routes()]
    assert sorted(each.path for each in answered) == sorted(each.path for each in ENDPOINTS)


def test_paths_differ_and_those_for_people_are_told_apart() -> None:
    """What only managers may ask shows in the path, so that a log or a proxy can tell."""
    assert len({each.path for each in ENDPOINTS}) == len(ENDPOINTS)
    assert all(each.path.startswith("/v1/manager/") is (each.access is Access.MANAGER) for each in ENDPOINTS)


def test_a_path_is_written_in_the_table_alone() -> None:
    """Both ends take it from there: a path that is typed twice differs some day."""
    known = "|".join(re.escape(each.path) for each in ENDPOINTS)
    typed = {path.name for path in SOURCES.rglob("*.py") if re.search(f"[\"'`]({known})[\"'`]", path.read_text())}
    assert typed == {"endpoints.py", "operator.py"}
