"""What goes on beside the decisions ends no controller."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from controller.app import lasting

pytestmark = pytest.mark.looptime


async def test_a_bug_in_what_nothing_rests_on_is_told_and_it_begins_again() -> None:
    """As a whole controller it would end by it, and so would the next one, and the next."""
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(1)
        if begun < 3:
            raise KeyError("scsi9:0")

    with capture_logs() as logs:
        await lasting(work)
    assert begun == 3
    assert [each["event"] for each in logs] == ["internal.error"] * 2
