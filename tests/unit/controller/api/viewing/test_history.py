"""A failover leaves one row, with the seconds of its phases and whose word the evidence is."""

from __future__ import annotations

import pytest

from controller.model import EvidenceKind, VolumeName
from controller.protocol.answers import Rejection, Status
from controller.protocol.operator import History
from controller.protocol.views import MovesView, MoveView
from tests.support.shell import DATA, WALL, Scene, scene

pytestmark = pytest.mark.looptime


async def moved(play: Scene, volume: VolumeName = DATA) -> None:
    """Node a has the volume and loses its power; it goes to b."""
    await play.make(volume)
    play.want("a", volume=volume)
    await play.until(("a",), volume)
    play.cluster.crash("a")
    play.cluster.down("a")
    play.want("b", "t2", volume)
    await play.until(("b",), volume)
    await play.one.state.changed.wait(30.0)


async def rows(play: Scene, asked: History) -> tuple[MoveView, ...]:
    found = await play.operator_requests.history(asked)
    assert isinstance(found, MovesView)
    return found.moves


async def test_a_failover_is_a_row_with_its_phases_its_evidence_and_whose_word_that_was() -> None:
    async with scene() as play:
        await moved(play)
        (row,) = await rows(play, History())
        assert (row.volume, row.source, row.target, row.planned) == (DATA, "host-a", "host-b", False)
        assert row.evidence is EvidenceKind.POWERED_OFF
        assert "the hypervisor sees node host-a (VM vm-a) powered off" in row.why
        assert row.at > WALL
        assert list(row.seconds) == ["evidence", "detached", "attached", "granted", "mounted"]
        assert row.total == row.seconds["mounted"] >= row.seconds["detached"] >= 0.0


async def test_rows_are_asked_for_by_volume_node_and_time() -> None:
    async with scene() as play:
        await moved(play)
        (row,) = await rows(play, History(DATA))
        for node, found in (("host-a", 1), ("host-b", 1), ("host-c", 0), ("gone", 0)):
            assert len(await rows(play, History(node=node))) == found
        assert len(await rows(play, History(since=row.at))) == 1
        assert await rows(play, History(since=row.at + 1)) == ()


async def test_a_first_attach_is_no_move() -> None:
    async with scene() as play:
        await play.make()
        play.want("a")
        await play.until(("a",))
        assert await rows(play, History()) == ()


async def test_an_unknown_volume_is_missing_and_unread_records_are_no_empty_history() -> None:
    async with scene() as play:
        await play.make()
        answer = await play.operator_requests.history(History("nothing"))
        assert isinstance(answer, Rejection)
        assert (answer.status, "known volumes: data" in answer.why) == (Status.MISSING, True)
        play.one.state.forget()
        play.loop.cancel()
        answer = await play.operator_requests.history(History())
        assert isinstance(answer, Rejection)
        assert answer.status == Status.UNAVAILABLE
