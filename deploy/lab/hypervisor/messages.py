"""What the machine host reads and answers over HTTP, and how a failure becomes an answer with a sentence."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from deploy.lab.hypervisor.disks import StorageRefusal
from deploy.lab.names import LabError

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


T = TypeVar("T")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class DiskBody(Body, frozen=True):
    size_bytes: int
    copy_of: str | None = None
    in_use: bool = False  # it may be attached
    at_rest: bool = True  # it may be attached nowhere


class PowerOffBody(Body, frozen=True):
    epoch: int | None = None


class DisksBody(Body, frozen=True):
    disks: tuple[str, ...]
    epoch: int


class Answer(msgspec.Struct, frozen=True):
    disk: str
    outcome: str  # "done" or "refused"
    why: str = ""


def answer(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


async def read_body(request: web.Request, kind: type[T]) -> T:
    return msgspec.json.decode(await request.read(), type=kind)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except LookupError as error:
        return answer({"why": str(error.args[0])}, 404)
    except StorageRefusal as error:
        return answer({"why": str(error), "cure": error.cure}, 409)
    except (ValueError, msgspec.ValidationError) as error:
        return answer({"why": str(error)}, 400)
    except LabError as error:
        log.warning("call.failed", path=request.path, why=str(error))
        return answer({"why": str(error)}, 500)


def token_check(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return answer({"why": "The token is missing or wrong."}, 401)
        return await handler(request)

    return check
