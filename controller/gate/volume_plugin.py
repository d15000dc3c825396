"""
Docker's volume protocol (docker.volumedriver/1.0) on a unix socket: decodes, asks the gate, encodes.

Always HTTP 200; a failure is ``{"Err": sentence}``, which Docker shows in `docker service ps --no-trunc`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from aiohttp import web

from controller.gate.gate import Gate
from controller.gate.jobs import GateError
from controller.gate.volume_names import Known
from controller.json_errors import NOT_JSON

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


def _inspected(known: Known) -> Reply:
    """
    ``CreatedAt`` and ``Status`` as the protocol has them (moby, volume/drivers/proxy.go). `docker volume ls` shows
    neither: Docker takes only names and mount points from List. What is not known is left out.
    """
    found = known.details
    created = "" if found is None or not found.created else _time(found.created)
    return {**_volume(known), **({"CreatedAt": created} if created else {}), "Status": _status(known, created)}


def _status(known: Known, created: str) -> Reply:
    told: Reply = {"reberth": known.reason or "ok"}
    found = known.details
    if found is not None:
        told |= {"state": found.state, "why": found.why, "node": found.node, "size": _bytes(found.size_bytes)}
        told |= {"fstype": found.fstype, "disk": found.disk, "copy-of": found.copy_of, "created": created}
        told |= {"labels": found.labels}
    elsewhere = None if found is None or not found.used_bytes else (found.used_bytes, found.available_bytes)
    if (room := known.usage or elsewhere) is not None:
        told |= {"used": _bytes(room[0]), "available": _bytes(room[1]) or "0B"}
    return {key: text for key, text in told.items() if text}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bytes(count: int) -> str:
    """In the unit of `driver_opts`; nothing for 0, which stands for not known."""
    for unit, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g}{unit}"
    return f"{count}B" if count else ""


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
        known = await self._known(request.Name)
        return {"Mountpoint": str(known.mountpoint or "")}

    async def get(self, request: Request) -> Reply:
        known = await self._known(request.Name)
        return {"Volume": _inspected(known)}

    async def listed(self, _: Request) -> Reply:
        return {"Volumes": [_volume(known) for known in await self._gate.listed()]}

    async def _known(self, name: str) -> Known:
        known = await self._gate.get(name)
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
        except NOT_JSON as error:
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
