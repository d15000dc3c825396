"""
What a storage does that is not well: it is slow, full, forgets, or its answers to changing calls are not true.

Set by the lab through the control socket, and forgotten with the process. Drivers alone meet it: the lab itself is told
the truth, so that an audit can compare.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from deploy.lab.hypervisor.disks import StorageRefusal
from deploy.lab.hypervisor.messages import Body, Handler, answer, read_body

SLOW = 2.5  # seconds more for each call
WELL = ""
KINDS = {
    WELL: "Nothing is wrong.",
    "slow": "Each call takes some seconds more.",
    "full": "No disk is made or grown.",
    "did-not": "Changing calls are answered as done, and nothing is done.",
    "said-failed": "Changing calls are carried out, and answered as failed.",
    "unanswered": "Changing calls are carried out, and the connection ends without an answer.",
    "forgets-disks": "The lists of disks and attachments are empty.",
    "forgets-machines": "The list of machines is empty.",
}
_FORGOTTEN = {"forgets-disks": {"/v1/disks", "/v1/attachments"}, "forgets-machines": {"/v1/vms"}}


class MischiefBody(Body, frozen=True):
    kind: str = WELL


class _Asked(msgspec.Struct, frozen=True):
    """The part of all changing calls' bodies that a false answer repeats."""

    disks: tuple[str, ...] = ()
    size_bytes: int = 0


@dataclass(slots=True)
class Mischief:
    kind: str = WELL

    async def change(self, request: web.Request) -> web.Response:
        kind = (await read_body(request, MischiefBody)).kind
        if kind not in KINDS:
            raise ValueError(f"There is no mischief {kind!r}; there is {', '.join(filter(None, KINDS))}.")
        self.kind = kind
        return answer({"kind": kind})

    def middleware(self) -> Middleware:
        @web.middleware
        async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path == "/v1/events":
                return await handler(request)
            if request.method == "GET":
                return await self._read(request, handler)
            return await self._changed(request, handler)

        return misbehave

    async def _read(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.kind == "slow":
            await asyncio.sleep(SLOW)
        if request.path in _FORGOTTEN.get(self.kind, ()):
            return answer([])
        return await handler(request)

    async def _changed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        kind = self.kind
        if kind == "slow":
            await asyncio.sleep(SLOW)
        if kind == "full" and (request.method == "PUT" or request.path.endswith("/grow")):
            raise StorageRefusal("No room for a disk: 0 bytes are free.", "Make room in the storage.")
        if kind == "did-not":
            return answer(false_answer(request.path, await request.read()))
        done = await handler(request)
        if kind == "said-failed":
            return answer({"why": "The storage has failed."}, 500)
        if kind == "unanswered" and request.transport is not None:
            request.transport.abort()
        return done


def false_answer(path: str, body: bytes) -> object:
    """What a changing call is answered that was carried out."""
    asked = msgspec.json.decode(body or b"{}", type=_Asked)
    match path.split("/")[2:]:
        case ["vms", _, "power-off"]:
            return {"power": "off"}
        case ["vms", _, "attach" | "detach"]:
            return [{"disk": disk, "outcome": "done", "why": ""} for disk in asked.disks]
        case ["disks", disk, *_] if asked.size_bytes:
            return {"id": disk, "size_bytes": asked.size_bytes}
        case _:
            return {}
