"""Whoever follows the events is told each once."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from controller.protocol.views import EventView
from tests.support.api_site import site, swarm_ca


async def test_who_follows_is_told_what_was_and_what_comes_once(tmp_path: Path) -> None:
    async with site(swarm_ca(tmp_path / "ca"), tmp_path) as place:
        follower = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "controller.cli.main", "events", "-f", "-o", "json",
            env={**os.environ, "REBERTH_DOOR": str(place.door)}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            await place.granted()
            assert follower.stdout is not None
            async with asyncio.timeout(60):
                told = [msgspec.json.decode(await follower.stdout.readline(), type=EventView) for _ in range(3)]
            assert [each.moment.value for each in told] == ["created", "attached", "granted"]
            assert {each.volume for each in told} == {"data"}
        finally:
            follower.kill()
            await follower.wait()
