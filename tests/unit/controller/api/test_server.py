"""The API over real TLS: versions, foreign certificates, and who acts."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from controller.model import VmId
from controller.protocol import endpoints, operator
from controller.protocol.answers import Status
from controller.protocol.identity import client_context
from controller.protocol.messages import (
    Empty,
    Orders,
    Redirect,
    Sync,
)
from tests.support.api_site import site, sync, why
from tests.support.certificates import SwarmCa


async def test_a_message_of_another_version_is_refused_as_such(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        status, told = why(await place.send("b", endpoints.GET_VOLUME, b'{"name": "x", "colour": "red"}'))
        assert status == Status.BAD
        assert "`colour`" in told
        newer = replace(endpoints.GET_VOLUME, path="/v9/new")
        assert why(await place.send("b", newer, b"{}"))[0] == Status.MISSING


async def test_a_number_that_nobody_can_keep_is_that_peers_error_and_no_more(ca: SwarmCa, tmp_path: Path) -> None:
    """A gate that lies, or whose state is damaged, is told so; all others go on, and so does the controller."""
    async with site(ca, tmp_path) as place:
        await place.granted()
        huge = (
            b'{"vm":"vm-b","boot":"boot-b-1","version":"1","volumes":[{"name":"data","state":"mounted","serial":%s}]}'
        )
        status, told = why(await place.send("b", endpoints.SYNC, huge % (b"9" * 4300)))
        assert status == Status.BAD
        assert "serial" in told
        assert isinstance(await place.ask("c", endpoints.SYNC, sync("c")), Orders)
        await place.look()


async def test_a_worker_may_not_ask_what_managers_ask(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        status, told = why(await place.ask("b", operator.STATUS, Empty()))
        assert (status, "no manager" in told) == (Status.FORBIDDEN, True)


async def test_a_caller_of_another_swarm_does_not_get_through_the_handshake(ca: SwarmCa, tmp_path: Path) -> None:
    stranger = SwarmCa.create(tmp_path / "other").issue("b")
    (stranger / "swarm-root-ca.crt").write_bytes((ca.folder / "ca.crt").read_bytes())
    async with site(ca, tmp_path) as place:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await place.post(client_context(stranger), endpoints.LIST_VOLUMES.path, b"{}")


async def test_a_controller_that_does_not_act_says_who_does(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path, acting=False) as place:
        assert why(await place.ask("b", endpoints.LIST_VOLUMES, Empty()))[0] == Status.UNAVAILABLE
        place.lead.acting_address = "10.0.0.9:7490"
        answer = await place.ask("b", endpoints.LIST_VOLUMES, Empty())
        assert answer == (Status.MISDIRECTED, Redirect("10.0.0.9:7490"))


async def test_a_long_poll_ends_when_the_controller_closes(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            waiting = group.create_task(place.ask("b", endpoints.SYNC, Sync("vm-b", "boot-b-1", "test", (), wait=60.0)))
            while place.controller.state.gates.newest(VmId("vm-b")) is None:
                await place.controller.state.changed.wait(1.0)
            place.controller.gate_requests.closing = True
            place.controller.state.changed.fire()
        assert waiting.result() == Orders()
