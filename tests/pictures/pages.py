"""Takes the pictures of the page `/ui`: one PNG a situation."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from deploy.lab.debian.packages import install
from tests.pictures.browser import Browser, chromium
from tests.pictures.png import reduced
from tests.pictures.situations import PICTURES, Picture, page_of

SECONDS = 90.0  # to come into a situation
MOST_BYTES = 80_000


async def take(folder: Path, profile: Path, pictures: Mapping[str, Picture] = PICTURES) -> None:
    """``NAME.png`` in the folder for each. The situations come about side by side, the browser looks at one by one."""
    one = asyncio.Lock()
    async with chromium(profile) as browser, asyncio.TaskGroup() as group:
        for name, picture in pictures.items():
            group.create_task(_taken(picture, folder / f"{name}.png", browser, one))


async def _taken(picture: Picture, path: Path, browser: Browser, one: asyncio.Lock) -> None:
    async with page_of(picture) as url:
        await until_said(url, picture.says)
        async with one:
            found = await browser.picture(url, picture.width, picture.height)
    small = await asyncio.to_thread(reduced, found)
    if len(small) > MOST_BYTES:
        raise ValueError(f"{path.name} has {len(small)} bytes: {MOST_BYTES} at most, show less of its page")
    await asyncio.to_thread(path.write_bytes, small)


async def until_said(url: str, words: tuple[str, ...], seconds: float = SECONDS) -> None:
    """A page that does not say what its picture is for is never taken."""
    lacks, ends = list(words), asyncio.get_running_loop().time() + seconds
    async with aiohttp.ClientSession() as session:
        while lacks:
            if asyncio.get_running_loop().time() > ends:
                raise TimeoutError(f"after {seconds:.0f} s the page does not say {lacks[0]!r}")
            await asyncio.sleep(0.5)
            async with session.get(url) as answer:
                text = await answer.text()
            lacks = [each for each in words if each not in text]


def ready(progress: Callable[[str], None]) -> None:
    if shutil.which("chromium") is None:
        install(("chromium",), progress)
