"""
Every field of every message that can be asked, with what nobody sane would say: over real TLS.

By a worker and by a manager: what the others may ask, they may, too (test_certificates.py). No answer is a bug's, the
controller goes on, and the victim's volume stays where it is.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from controller.names import MANAGER_NAME
from controller.protocol import operator
from controller.protocol.answers import Status
from controller.protocol.endpoint import Endpoint
from controller.protocol.endpoints import ENDPOINTS
from controller.protocol.identity import client_context
from tests.support.api_site import Site
from tests.support.battlefield import MANAGER, OTHER_WORKER, attackers_ca, battlefield, goes_on, requests
from tests.support.certificates import SwarmCa

AT_ONCE = 16
MANY = 10**6
HOSTILE: dict[str, str | bytes] = {
    "null": "null",
    "yes": "true",
    "below nothing": "-1",
    "one too many": str(2**63),
    "endless": "1" + "0" * 6000,
    "no number": "NaN",
    "no end": "Infinity",
    "beyond floats": "1e999",
    "empty": '""',
    "zero byte": r'"a\u0000b"',
    "half a letter": r'"\ud800"',
    "no UTF-8": b'"\xff\xfe"',
    "backwards": json.dumps("\u202egnp.exe\u200b", ensure_ascii=False),
    "template": '"{{.Node.Hostname}}"',
    "path": '"../../../etc/shadow"',
    "markup": '"</script><script>alert(1)</script>"',
    "long": '"' + "x" * MANY + '"',
    "long as allowed": '"' + "\\u00e4" * 250 + '"',
    "list": "[]",
    "many": "[" + "0," * MANY + "0]",
    "deep": "[" * 50_000,
    "many names": "{" + ",".join(f'"k{number}":"v"' for number in range(100_000)) + "}",
    "structure": '{"name":"data","state":"mounted","serial":1}',
}
# What a manager may ask changes the swarm for good: these end the scene for the others.
LAST = {operator.PAUSE.path, operator.CONFIRM.path, operator.FENCE.path}


def bodies(message: msgspec.Struct) -> Iterator[tuple[str, bytes]]:
    """The message with one field after the other replaced by each hostile value, and what is no message."""
    good = {name: msgspec.json.encode(getattr(message, name)) for name in message.__struct_fields__}
    for field in good:
        for about, value in HOSTILE.items():
            raw = value if isinstance(value, bytes) else value.encode()
            yield f"{field}: {about}", _object({**good, field: raw})
    yield "unknown field", _object({**good, "and": b"1"})
    for about, value in HOSTILE.items():
        yield f"whole: {about}", value if isinstance(value, bytes) else value.encode()


def _object(fields: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(json.dumps(name).encode() + b":" + raw for name, raw in fields.items()) + b"}"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    return attackers_ca(tmp_path_factory.mktemp("ca"))


async def statuses(place: Site, who: str, endpoint: Endpoint[Any, Any]) -> dict[str, int]:
    """What each hostile message is answered with; many at once, on connections that stay."""
    context, gate = client_context(place.ca.folder / who), asyncio.Semaphore(AT_ONCE)
    found: dict[str, int] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def ask(about: str, body: bytes) -> None:
            where = f"https://127.0.0.1:{place.port}{endpoint.path}"
            async with (
                gate,
                session.post(where, data=io.BytesIO(body), ssl=context, server_hostname=MANAGER_NAME) as answer,
            ):
                found[about] = answer.status
                await answer.read()

        async with asyncio.TaskGroup() as group:
            for about, body in bodies(requests(who)[endpoint.path]):
                group.create_task(ask(about, body))
    return found


@pytest.mark.parametrize("who", [OTHER_WORKER, MANAGER])
async def test_no_field_of_any_message_meets_a_bug_and_the_victims_volume_goes_on(
    ca: SwarmCa, tmp_path: Path, who: str
) -> None:
    async with battlefield(ca, tmp_path) as place:
        before = place.cluster.record()
        with capture_logs() as logs:
            for endpoint in sorted(ENDPOINTS, key=lambda each: each.path in LAST):
                found = await statuses(place, who, endpoint)
                assert {about: code for about, code in found.items() if code == Status.FAULT} == {}, endpoint.path
        assert [each for each in logs if each["event"] == "internal.error"] == []
        after = place.cluster.record()
        assert (after.spec, after.fs_uuid, after.phase) == (before.spec, before.fs_uuid, before.phase)
        assert place.cluster.writers() == () or place.cluster.writers() == ("vm-b",)
        if who != MANAGER:
            assert (place.lead.paused, after.grants) == (None, before.grants)
            assert await goes_on(place)
