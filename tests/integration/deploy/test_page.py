"""The page in a real Chromium: nothing is blocked, loaded from elsewhere or wider than a phone."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from deploy.lab.debian.packages import install
from tests.support.api_site import site, swarm_ca
from tests.support.viewing import viewing

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0")


@pytest.fixture(scope="module", autouse=True)
def browser() -> None:
    if shutil.which("chromium") is None:
        install(("chromium",), print)


async def chromium(folder: Path, *words: str) -> tuple[str, str]:
    """What it prints, and what its console says."""
    command = ["chromium", *FLAGS, f"--user-data-dir={folder}", *words]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


async def test_a_browser_shows_the_page_whole_on_a_phone(tmp_path: Path) -> None:
    async with site(swarm_ca(tmp_path / "ca"), tmp_path) as place, viewing(place) as client:
        await place.granted()
        address = f"{client.url}/ui?still"
        shot = tmp_path / "page.png"
        dom, console = await chromium(tmp_path / "one", "--window-size=400,900", "--dump-dom", address)
        assert "<td>data</td>" in dom
        assert [line for line in console.splitlines() if "Content Security Policy" in line or "CONSOLE" in line] == []
        await chromium(tmp_path / "two", "--window-size=400,900", f"--screenshot={shot}", address)
        assert shot.stat().st_size > 5000
