"""What `docker volume rm` leaves in the record."""

from __future__ import annotations

import pytest

from controller.model import Moment, Phase
from controller.protocol.messages import Empty, RemoveVolume
from tests.support.shell import DATA, scene


@pytest.mark.looptime
async def test_a_removal_is_in_the_history_from_the_moment_it_is_asked_for() -> None:
    """Until the disk is gone, `reberth explain` shows who is not coming back and since when."""
    async with scene() as place:
        await place.make()
        removed = await place.one.volume_requests.remove(RemoveVolume(DATA))
        record = place.one.state.record(DATA)

        assert removed == Empty()
        assert record is not None
        assert record.phase is Phase.DELETING
        assert record.history[-1].moment is Moment.DELETED
        assert record.history[-1].epoch == place.one.lead.epoch
