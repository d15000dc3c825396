"""
Stands between the controllers of a lab and what they call, hears every call, and can stop the caller at one of them.

The controllers know nothing of it: their settings name its addresses for Docker and for the machine host, as a user's
settings name others. It kills and freezes by signals from outside, as the kernel of a real machine would. A call that
was sent by a controller which froze then is held here, as a slow network might hold it, and goes on later.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from deploy.drill.errors import DrillError
from deploy.drill.proxy import call_meaning, controller_process
from deploy.drill.proxy.call_meaning import Meaning, State, Step, StopPoint, When
from deploy.drill.proxy.values import Act, Call, Route, Stopped, Wiring

_START = 10.0  # seconds


class FaultProxy:
    """Its own thread does the work; all methods may be called from any other one."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._lock = threading.Lock()
        self._armed: tuple[StopPoint, Act | Callable[[], None]] | None = None
        self._stopped: Stopped | None = None
        self._held = asyncio.Event()
        self._known: dict[str, State] = {}
        self._calls: list[Call] = []
        self._group: asyncio.TaskGroup | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="drill-proxy", daemon=True)

    @property
    def route(self) -> Route:
        wiring = self._wiring
        return Route(
            docker=f"http://{wiring.listen}:{wiring.docker_port}",
            storage=f"http://{wiring.listen}:{wiring.storage_port}",
        )

    # -- from other threads --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Raises DrillError when it cannot listen."""
        self._thread.start()
        if not self._up.wait(_START) or self._failure is not None:
            raise DrillError(f"the drill cannot stand between controllers and storage: {self._failure}")

    def stop(self) -> None:
        """Nobody stays frozen."""
        self.release()
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_START)

    def arm(self, stop_point: StopPoint, act: Act | Callable[[], None]) -> None:
        """
        The next controller that comes to ``stop_point`` is stopped there, once; or its call waits there while something
        else is done, and goes on.
        """
        with self._lock:
            self._armed, self._stopped = (stop_point, act), None

    def disarm(self) -> None:
        with self._lock:
            self._armed = None

    def freeze_acting(self) -> Stopped:
        """At once, wherever it is. Raises DrillError when nobody acts."""
        leads = [call for call in self.calls if call.step is Step.LEAD and call.done]
        if not leads:
            raise DrillError("no controller has acted yet, so none can be frozen")
        with self._lock:
            self._armed = None
        stopped = self._stop_it(leads[-1].node, Act.FREEZE)
        if stopped is None:
            raise DrillError(f"the controller on {leads[-1].node}, which acted last, does not run")
        return stopped

    def release(self) -> None:
        """A frozen controller goes on, and so does the call of it that is held."""
        with self._lock:
            stopped = self._stopped
            if stopped is None or stopped.released is not None:
                return
            self._stopped = Stopped(stopped.at, stopped.node, stopped.pid, stopped.epoch, time.time())
        if self._wiring.pid(stopped.node) == stopped.pid:  # it is still the same process
            controller_process.thaw(stopped.pid)
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._held.set)

    @property
    def stopped(self) -> Stopped | None:
        return self._stopped

    @property
    def calls(self) -> tuple[Call, ...]:
        """Those of failovers, oldest first."""
        return tuple(self._calls)

    def epoch(self) -> int:
        """The newest that a controller took."""
        return max((call.epoch for call in self.calls if call.step is Step.LEAD and call.done), default=0)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 -- start() and the drill's own thread say it
            self._failure = error
            self._up.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        wiring = self._wiring
        async with AsyncExitStack() as stack:
            engines = {
                name: await stack.enter_async_context(_session(aiohttp.UnixConnector(str(path), force_close=True)))
                for name, path in wiring.sockets.items()
            }
            storage = await stack.enter_async_context(_session(aiohttp.TCPConnector(force_close=True, limit=0)))

            async def docker(request: web.Request, node: str) -> web.StreamResponse:
                url = URL(f"http://docker{request.raw_path}", encoded=True)
                return await self._pass(request, node, engines[node], url)

            async def host(request: web.Request, node: str) -> web.StreamResponse:
                return await self._pass(
                    request, node, storage, URL(f"{wiring.storage}{request.raw_path}", encoded=True)
                )

            self._group = await stack.enter_async_context(asyncio.TaskGroup())
            for port, answer in ((wiring.docker_port, docker), (wiring.storage_port, host)):
                runner = self._runner(answer)
                stack.push_async_callback(runner.cleanup)
                await runner.setup()
                await web.TCPSite(runner, wiring.listen, port).start()
            self._up.set()
            await self._stop.wait()

    def _runner(self, answer: Callable[[web.Request, str], Awaitable[web.StreamResponse]]) -> web.AppRunner:
        async def handle(request: web.Request) -> web.StreamResponse:
            node = self._wiring.nodes.get(request.remote or "")
            if node is None:
                return web.json_response({"why": "only nodes of this lab are served"}, status=403)
            try:
                return await answer(request, node)
            except (aiohttp.ClientError, OSError) as error:
                return web.json_response({"message": str(error), "why": str(error)}, status=502)

        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", handle)
        return web.AppRunner(application, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)

    async def _pass(
        self, request: web.Request, node: str, session: aiohttp.ClientSession, url: URL
    ) -> web.StreamResponse:
        body = await request.read()
        found = call_meaning.meaning(request.method, request.path, body, self._known)
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED}

        async def whole() -> tuple[int, bytes, str]:
            async with session.request(request.method, url, data=body or None, headers=headers) as answer:
                return answer.status, await answer.read(), answer.headers.get("Content-Type", "")

        if request.path.endswith("/events"):
            return await _stream(request, session, url, body, headers)
        # In a task of its own: the call of a controller that is gone goes on, as it would on a wire.
        status, data, kind = await asyncio.shield(self._task(self._judged(request, node, found, whole)))
        return web.Response(body=data, status=status, headers=_kind(kind))

    def _task(self, work: Coroutine[Any, Any, tuple[int, bytes, str]]) -> asyncio.Task[tuple[int, bytes, str]]:
        if self._group is None:
            work.close()
            raise DrillError("the drill does not listen any more")
        return self._group.create_task(work)

    async def _judged(
        self,
        request: web.Request,
        node: str,
        found: Meaning,
        send: Callable[[], Awaitable[tuple[int, bytes, str]]],
    ) -> tuple[int, bytes, str]:
        try:
            if found.step is not None and not await self._may_go(When.BEFORE, found.step, node):
                return _GONE
            status, data, kind = await send()
        except (aiohttp.ClientError, OSError) as error:
            return 502, str(error).encode(), "text/plain"
        step = found.step
        if step is None and call_meaning.shows_evidence(request.method, request.path, data):
            step = Step.EVIDENCE
        self._note(node, found, step, status, data)
        if step is not None and not await self._may_go(When.AFTER, step, node):
            return _GONE
        return status, data, kind

    def _note(self, node: str, found: Meaning, step: Step | None, status: int, data: bytes) -> None:
        done = step is not None and call_meaning.done(step, status, data)
        if found.state is not None and 200 <= status < 300:
            self._known[found.record] = found.state
        if step is not None and step is not Step.EVIDENCE:
            text = data.decode(errors="replace")[:300]
            self._calls.append(Call(time.time(), node, step, found.epoch, status, done, text))

    async def _may_go(self, when: When, step: Step, node: str) -> bool:
        """False when the caller was killed here. A caller that was frozen here goes on after `release`."""
        with self._lock:
            if self._armed is None or self._armed[0] != StopPoint(when, step):
                return True
            act, self._armed = self._armed[1], None
        if not isinstance(act, Act):
            await asyncio.to_thread(act)
            return True
        self._held.clear()
        stopped = await asyncio.to_thread(self._stop_it, node, act)
        if stopped is None or act is Act.KILL:
            return stopped is None
        await self._held.wait()
        return True

    def _stop_it(self, node: str, act: Act) -> Stopped | None:
        pid = self._wiring.pid(node)
        if pid is None:
            return None  # it ended by itself since it called
        at = time.time()
        if act is Act.KILL:
            controller_process.kill(pid)
        else:
            controller_process.freeze(pid)
        with self._lock:
            self._stopped = Stopped(at, node, pid, self.epoch(), at if act is Act.KILL else None)
            return self._stopped


_PASSED = {"authorization", "content-type", "accept"}
_GONE = (502, b"the caller is gone", "text/plain")


def _kind(content_type: str) -> Mapping[str, str]:
    """Docker answers a write with nothing, of no type; clients that see a type try to read it."""
    return {"Content-Type": content_type} if content_type else {}


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))


async def _stream(
    request: web.Request, session: aiohttp.ClientSession, url: URL, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """As it comes: event streams have no end."""
    async with session.request(request.method, url, data=body or None, headers=headers) as answer:
        passed = web.StreamResponse(status=answer.status, headers=_kind(answer.headers.get("Content-Type", "")))
        await passed.prepare(request)
        with suppress(ConnectionError, aiohttp.ClientError):  # either side ended: so does the other
            async for chunk in answer.content.iter_any():
                await passed.write(chunk)
            await passed.write_eof()
        return passed
