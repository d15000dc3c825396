"""Who follows the events over HTTP gets each as it comes, and an end when the controller ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.api.viewing.stream import MOST
from tests.support.api_site import Site, site
from tests.support.certificates import SwarmCa
from tests.support.viewing import viewing

ACCEPT = {"Accept": "text/event-stream"}


@pytest.fixture
async def place(ca: SwarmCa, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(ca, tmp_path) as made:
        yield made


async def block(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """The next event, or comment, as its fields."""
    found: dict[str, str] = {}
    async with asyncio.timeout(60):
        while line := (await answer.content.readline()).decode():
            if line == "\n":
                return found
            name, _, text = line.rstrip("\n").partition(": ")
            found[name or "comment"] = text
    return {"end": ""}


async def event(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    while True:
        found = await block(answer)
        if "data" in found:
            made: dict[str, Any] = json.loads(found["data"])
            return made
        assert "end" not in found


async def test_an_event_is_told_to_who_follows_when_it_happens(place: Site) -> None:
    async with viewing(place) as client, client.session.get("/v1/events", headers=ACCEPT) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert await block(answer) == {"comment": "reberth"}
        await place.granted()
        found = await event(answer)
        assert (found["volume"], found["moment"]) == ("data", "created")


async def test_who_comes_again_with_the_last_id_gets_what_was_written_since(place: Site) -> None:
    await place.granted()
    async with viewing(place) as client:
        async with client.session.get("/v1/events?since=1", headers=ACCEPT) as answer:
            await block(answer)
            first = await block(answer)
            second = await block(answer)
        again = {**ACCEPT, "Last-Event-ID": second["id"]}
        async with client.session.get("/v1/events", headers=again) as answer:
            await block(answer)
            assert await block(answer) == second
        assert json.loads(first["data"])["moment"] == "created"
        for odd in ("nan", "inf", "x", "-1"):
            async with client.session.get("/v1/events", headers={**ACCEPT, "Last-Event-ID": odd}) as answer:
                assert answer.status == 200


async def test_only_the_events_of_the_volume_that_was_asked_for_are_told(place: Site) -> None:
    await place.granted()
    async with viewing(place) as client:
        async with client.session.get("/v1/events?volume=nothing", headers=ACCEPT) as answer:
            assert (answer.status, "known volumes: data" in (await answer.json())["why"]) == (503, True)
        async with client.session.get("/v1/events?volume=data&since=1", headers=ACCEPT) as answer:
            assert (await event(answer))["volume"] == "data"


async def test_so_many_may_follow_and_one_more_may_when_one_has_gone(place: Site) -> None:
    """It is seen that one has gone, also where nothing is to be written to it."""
    async with viewing(place, alive=3600.0) as client:
        streams = [await client.session.get("/v1/events", headers=ACCEPT) for _ in range(MOST)]
        assert {each.status for each in streams} == {200}
        async with client.session.get("/v1/events", headers=ACCEPT) as answer:
            assert answer.status == 503
        async with client.session.get("/v1/events") as answer:
            assert (answer.status, answer.content_type) == (200, "application/json")
        async with client.session.head("/v1/events", headers=ACCEPT) as answer:
            assert answer.status == 503
        streams.pop().close()
        async with asyncio.timeout(60):
            while True:
                async with client.session.get("/v1/events", headers=ACCEPT) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.2)
        for each in streams:
            each.close()


async def test_a_stream_ends_with_the_controller(place: Site) -> None:
    async with viewing(place) as client:
        answer = await client.session.get("/v1/events", headers=ACCEPT)
        await client.application.shutdown()
        async with asyncio.timeout(60):
            while not answer.content.at_eof():
                await answer.content.readline()
        async with client.session.get("/v1/events", headers=ACCEPT) as late:
            assert late.status == 503


async def test_who_only_asks_for_the_head_of_a_stream_is_not_held(place: Site) -> None:
    async with viewing(place) as client, client.session.head("/v1/events", headers=ACCEPT) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
