"""
A program of ours that answers questions for as long as it is needed, and can be killed at any time.

It is started when something is asked. Whatever goes wrong with it ends it, with its process group: an answer that does
not come in time, a line that is none, an end of its own. What it was asked by then is in doubt, since it may have
been done or may be done yet; what is asked next is asked of a new one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from drivers.shared.faults import Doubt, NotSent
from drivers.shared.programs import PATH

_MOST_BYTES = 8 << 20  # of one line
_ERRORS = 1000  # bytes kept of what it says on standard error
_HELLO = 0  # the number under which its first line is waited for; questions have others

Answer = Mapping[str, Any]


class _Process(asyncio.SubprocessProtocol):
    """One of it, from its start to its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        self._transport: asyncio.SubprocessTransport | None = None
        self._first: asyncio.Future[Answer] = loop.create_future()
        self._waiting: dict[int, asyncio.Future[Answer]] = {_HELLO: self._first}
        self._number = _HELLO
        self._said, self._errors = bytearray(), b""
        self._gone: asyncio.Future[None] = loop.create_future()
        self.ended: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._errors = (self._errors + data)[-_ERRORS:]
            return
        self._said += data
        while self.ended is None and b"\n" in self._said:
            line, _, rest = self._said.partition(b"\n")
            self._said = rest
            self._hear(bytes(line))
        if len(self._said) > _MOST_BYTES:
            self.end("its answer has no end")

    def _hear(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
            waiting = self._waiting.pop(answer.get("number", _HELLO))
        except (ValueError, KeyError, AttributeError, TypeError):
            self.end(f"its answer is not understood: {line[:80]!r}")
            return
        if not waiting.done():
            waiting.set_result(answer)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if fd == 1:
            words = self._errors.decode(errors="replace").strip().splitlines()
            self.end(f"it ended: {words[-1]}" if words else "it ended")

    def process_exited(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    def end(self, why: str) -> None:
        """With all that it started. It may be called again."""
        if self.ended is not None or self._transport is None:
            return
        self.ended = why
        with suppress(ProcessLookupError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
        self._transport.close()
        for each in self._waiting.values():
            if not each.done():
                each.set_exception(Doubt(why))
                each.exception()  # nobody may be waiting for it
        self._waiting.clear()

    async def gone(self) -> None:
        await self._gone

    async def hello(self) -> Answer:
        return await asyncio.shield(self._first)  # it is there for the next one, too

    async def ask(self, question: Mapping[str, object]) -> Answer:
        if self.ended is not None or self._transport is None:
            raise NotSent(f"it has ended: {self.ended}")
        given = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        self._number += 1
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = waiting
        given.write(json.dumps({"number": self._number, **question}).encode() + b"\n")
        return await waiting


class Helper:
    """``name``: for people. ``at_once``: so many questions; more wait for their turn, before their deadline begins."""

    def __init__(self, name: str, argv: Sequence[str], at_once: int) -> None:
        self._name = name
        self._argv = argv
        self._turns = asyncio.Semaphore(at_once)
        self._starting = asyncio.Lock()
        self._now: _Process | None = None
        self._failed = (0.0, "")  # when the last start failed, and why

    async def ask(self, question: Mapping[str, object], seconds: float) -> Answer:
        """
        Raises NotSent where it was not asked: no program, or its first line says that it is of no use. Else Doubt.

        Whoever stops waiting for the answer ends it: what was asked would be done at any time.
        """
        asked = asyncio.get_running_loop().time()
        async with self._turns:
            process = await self._started(seconds, asked)
            try:
                async with asyncio.timeout(seconds):
                    return await process.ask(question)
            except TimeoutError:
                process.end(f"no answer within {seconds:g} s")
                raise Doubt(f"{self._name} did not answer within {seconds:g} s") from None
            except Doubt as error:
                raise Doubt(f"{self._name} gave no answer: {error}") from None
            except asyncio.CancelledError:
                process.end("nobody waits for its answer")
                raise

    async def _started(self, seconds: float, asked: float) -> _Process:
        async with self._starting:
            process = self._now
            if process is not None and process.ended is None:
                await self._begun(process, seconds)
                return process
            if self._failed[0] > asked:  # while we waited: it is of no use to try the same at once again
                raise NotSent(self._failed[1])
            process = await self._start()
            await self._begun(process, seconds)
            return process

    async def _start(self) -> _Process:
        try:
            _, process = await asyncio.get_running_loop().subprocess_exec(
                _Process, *self._argv, env={"PATH": PATH, "LC_ALL": "C.UTF-8"}, start_new_session=True
            )
        except OSError as error:
            raise NotSent(f"{self._name} cannot be run: {error}") from None
        self._now = process
        return process

    async def _begun(self, process: _Process, seconds: float) -> None:
        """
        Its first line is good. At once where it has been read before.

        Whoever stops waiting for it leaves it alone: it was asked nothing, and is sooner ready for the next one. On a
        slow machine it would never begin otherwise.
        """
        try:
            async with asyncio.timeout_at(process.began + seconds):  # however many wait, one after the other
                hello = await process.hello()
            if "why" not in hello:
                return
            why = f"{self._name}: {hello['why']}"
        except TimeoutError:
            why = f"{self._name} did not begin within {seconds:g} s"
        except Doubt as error:
            why = f"{self._name} did not begin: {error}"
        process.end(why)
        self._failed = (asyncio.get_running_loop().time(), why)
        raise NotSent(why)

    def end(self, why: str) -> None:
        """What is asked next is asked of a new one."""
        if self._now is not None:
            self._now.end(why)

    async def close(self) -> None:
        self.end("it is not needed any more")
        if self._now is not None:
            await self._now.gone()
