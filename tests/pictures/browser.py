"""A headless Chromium that is told over its DevTools protocol to take pictures of whole pages."""

from __future__ import annotations

import asyncio
import itertools
import re
from asyncio.subprocess import DEVNULL, PIPE
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--disable-lcd-text",
)
SECONDS = 60.0  # a busy machine starts a browser in ten
_LISTENS = re.compile(rb"DevTools listening on (ws://\S+)")


class Browser:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._tab: str | None = None

    async def open(self) -> None:
        target = await self._call("Target.createTarget", url="about:blank")
        made = await self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._tab = made["sessionId"]
        await self._call("Page.enable")

    async def picture(self, url: str, width: int, most: int) -> bytes:
        """The page as PNG, as a window of that width shows it: whole, or its first ``most`` pixels."""
        window = {"width": width, "height": 400, "deviceScaleFactor": 1, "mobile": False}
        await self._call("Emulation.setDeviceMetricsOverride", **window)
        await self._call("Page.navigate", url=url)
        await self._until("Page.loadEventFired")
        page = (await self._call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(page["height"], most), "scale": 1}
        taken = await self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return b64decode(taken["data"])

    async def _call(self, method: str, **words: object) -> Any:
        number = next(self._numbers)
        session = {} if self._tab is None else {"sessionId": self._tab}
        await self._socket.send_json({"id": number, "method": method, "params": words, **session})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                if "result" not in answer:
                    raise RuntimeError(f"Chromium refuses {method}: {answer['error']}")
                return answer["result"]

    async def _until(self, event: str) -> None:
        while (await self._socket.receive_json()).get("method") != event:
            pass


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Browser]:
    """``folder``: for its profile. The program ends with the block."""
    words = ("chromium", *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-port=0")
    process = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL, stderr=PIPE)
    try:
        async with asyncio.timeout(SECONDS):
            address = await _address(process)
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            made = Browser(socket)
            await made.open()
            yield made
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = b""
    while line := await process.stderr.readline():
        said += line
        if found := _LISTENS.search(line):
            return found[1].decode()
    raise RuntimeError(f"Chromium ended at its start: {said.decode(errors='replace')}")
