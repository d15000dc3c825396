"""Snapshots by schedule in ``driver_opts``: a small grammar, and the answer to anything else."""

from __future__ import annotations

import pytest

from controller.model import Every, Schedule, Spec
from controller.volumes.options import BadOptions, difference, parse_options
from controller.volumes.schedules import MOST_KEPT, wished_schedule


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("hourly keep 24", Schedule(Every.HOURLY, MOST_KEPT)),
        ("daily keep 7", Schedule(Every.DAILY, 7)),
        ("weekly keep 1", Schedule(Every.WEEKLY, 1)),
        ("none", None),
    ],
)
def test_a_schedule_says_how_often_and_how_many_stay(text: str, schedule: Schedule | None) -> None:
    found = parse_options({"size": "1g", "snapshots": text})

    assert isinstance(found, Spec)
    assert found.schedule == schedule


@pytest.mark.parametrize(
    "text", ["", "daily", "daily keep 0", "daily keep 25", "daily keep 07", "yearly keep 1", "Daily keep 7", "7"]
)
def test_what_is_no_schedule_is_refused_with_what_is_possible(text: str) -> None:
    found = parse_options({"size": "1g", "snapshots": text})

    assert isinstance(found, BadOptions)
    assert "write hourly, daily or weekly, keep, and a number up to 24: daily keep 7; or none" in found.why


@pytest.mark.parametrize(
    ("options", "wished"),
    [
        ({}, None),
        ({"snapshots": "daily keep 7"}, None),
        ({"snapshots": "daily keep 8"}, "daily keep 8"),
        ({"snapshots": "none"}, "none"),
        ({"snapshots": "often"}, None),
    ],
    ids=str,
)
def test_another_schedule_is_a_wish_and_no_difference(options: dict[str, str], wished: str | None) -> None:
    spec = Spec(1 << 30, schedule=Schedule(Every.DAILY, 7))

    assert wished_schedule(options, spec) == wished
    assert wished is None or difference(options, spec) is None
