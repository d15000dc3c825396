"""A volume that is used, with which many scenes of the loop begin."""

from __future__ import annotations

from controller.model import DiskId
from tests.support.shell import Scene


async def in_use(play: Scene) -> DiskId:
    """Volume ``data`` is used on node a."""
    await play.make()
    play.want("a")
    await play.until(("a",))
    disk = play.cluster.record().disk
    assert disk is not None
    return disk
