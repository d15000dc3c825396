"""A process that answers as dockerd does, with the bytes of a large swarm: so that only our own work is measured."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

from aiohttp import web

from controller.records.codec import KIND_LABEL
from controller.records.keepers import LABEL
from tests.bench import large
from tests.bench.large import Size

START_SECONDS = 120.0
FAILED = 5
KEEPING = {KIND_LABEL, LABEL}  # once a minute, to keep the records from being swept away: no part of a look


@contextmanager
def docker_answers(folder: Path, size: Size) -> Iterator[str]:
    """The URL of a Docker that answers for a swarm of this size."""
    socket = folder / "docker.sock"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_run, args=(str(socket), size, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(START_SECONDS):
            raise RuntimeError(f"the answering process did not start within {START_SECONDS:g} s")
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.join(10)


def _run(socket: str, size: Size, ready: Event) -> None:
    asyncio.run(_serve(socket, size, ready))


async def _serve(socket: str, size: Size, ready: Event) -> None:
    application = web.Application()
    application.router.add_get("/{path:.*}", Answers(size).answer)
    runner = web.AppRunner(application, access_log=None, max_line_size=2**20)  # the filter names thousands of services
    await runner.setup()
    await web.UnixSite(runner, socket).start()
    ready.set()
    await asyncio.Event().wait()


class Answers:
    """The bytes, made once: before and after node 5 went down, as ``/fail`` says it now does."""

    def __init__(self, size: Size) -> None:
        self._configs = large.configs(size)
        self._lists = {"nodes": large.nodes(size), "services": large.services(size), "tasks": large.tasks(size)}
        self._after = {"nodes": large.nodes(size, FAILED), "tasks": large.tasks(size, FAILED)}
        self._streams: list[web.StreamResponse] = []

    async def fail(self) -> web.Response:
        """The monotonic clock, which all processes share, just before the event is sent."""
        self._lists |= self._after
        actor = {"ID": large.node_id(FAILED), "Attributes": {"state.new": "down", "state.old": "ready"}}
        event = {"Type": "node", "Action": "update", "Actor": actor, "scope": "swarm", "time": 1, "timeNano": 1}
        at = time.monotonic()
        for stream in self._streams:
            await stream.write(json.dumps(event).encode() + b"\n")
        return web.json_response({"at": at})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        what = request.path.rpartition("/")[2]
        if what == "version":
            return web.json_response({"ApiVersion": "1.41"})
        if what == "events":
            return await self._stream(request)
        if what == "fail":
            return await self.fail()
        label, _, value = _label(request).partition("=")
        if not value and label in KEEPING:
            return web.json_response([])
        found = self._configs[value] if what == "configs" else self._lists[what]
        return web.Response(body=found, content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """On which nothing happens until `fail`."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._streams.append(response)
        await asyncio.Event().wait()
        return response


def _label(request: web.Request) -> str:
    """The label that is asked for, or nothing."""
    filters: dict[str, list[str]] = json.loads(request.query.get("filters", "{}"))
    return next(iter(filters.get("label", [])), "")
