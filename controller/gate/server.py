"""
Docker's volume protocol (docker.volumedriver/1.0) on a unix socket: decodes, asks the gate, encodes.

Always HTTP 200; a failure is ``{"Err": sentence}``, which Docker shows in `docker service ps --no-trunc`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web

from controller.gate.gate import Gate, Known
from controller.gate.ledger import GateError

log = structlog.get_logger()

CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json"
Reply = dict[str, Any]


class Request(msgspec.Struct, frozen=True):
    """The union of what Docker sends; fields of newer Dockers are ignored, as the protocol asks."""

    Name: str = ""
    ID: str = ""
    Opts: dict[str, str] | None = None


def _volume(known: Known) -> Reply:
    return {"Name": known.name, "Mountpoint": str(known.mountpoint or "")}


class Protocol:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def activate(self, _: Request) -> Reply:
        return {"Implements": ["VolumeDriver"]}

    async def capabilities(self, _: Request) -> Reply:
        return {"Capabilities": {"Scope": "global"}}

    async def create(self, request: Request) -> Reply:
        await self._gate.create(request.Name, request.Opts or {})
        return {}

    async def remove(self, request: Request) -> Reply:
        await self._gate.remove(request.Name)
        return {}

    async def mount(self, request: Request) -> Reply:
        return {"Mountpoint": str(await self._gate.mount(request.Name, request.ID))}

    async def unmount(self, request: Request) -> Reply:
        await self._gate.unmount(request.Name, request.ID)
        return {}

    async def path(self, request: Request) -> Reply:
        return {"Mountpoint": str(self._known(request.Name).mountpoint or "")}

    async def get(self, request: Request) -> Reply:
        known = self._known(request.Name)
        return {"Volume": {**_volume(known), "Status": {"reberth": known.reason or "ok"}}}

    async def listed(self, _: Request) -> Reply:
        return {"Volumes": [_volume(known) for known in self._gate.listed()]}

    def _known(self, name: str) -> Known:
        known = self._gate.get(name)
        if known is None:
            raise GateError(f"no such volume: {name}")
        return known


def _handler(call: Callable[[Request], Awaitable[Reply]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(http: web.Request) -> web.Response:
        try:
            body = await http.read()
            reply = await call(msgspec.json.decode(body or b"{}", type=Request))
        except GateError as error:
            log.warning("call.refused", call=http.path, why=str(error))
            reply = {"Err": str(error)}
        except msgspec.DecodeError as error:
            reply = {"Err": f"the request is not understood: {error}"}
        except Exception as error:  # Docker must get a sentence, and the plugin must go on
            log.exception("call.failed", call=http.path)
            reply = {"Err": f"an error in the gate itself, {type(error).__name__}: {error}"}
        return web.Response(body=msgspec.json.encode({"Err": "", **reply}), content_type=CONTENT_TYPE)

    return handle


def application(gate: Gate) -> web.Application:
    protocol = Protocol(gate)
    calls = {
        "/Plugin.Activate": protocol.activate,
        "/VolumeDriver.Capabilities": protocol.capabilities,
        "/VolumeDriver.Create": protocol.create,
        "/VolumeDriver.Remove": protocol.remove,
        "/VolumeDriver.Mount": protocol.mount,
        "/VolumeDriver.Unmount": protocol.unmount,
        "/VolumeDriver.Path": protocol.path,
        "/VolumeDriver.Get": protocol.get,
        "/VolumeDriver.List": protocol.listed,
    }
    app = web.Application()
    app.add_routes([web.post(path, _handler(call)) for path, call in calls.items()])
    return app
