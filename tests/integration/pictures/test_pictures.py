"""What documents show is made by the project's own script: the page in a real Chromium, the demo in a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pictures import pages
from tests.pictures.recording import Refused, record
from tests.pictures.situations import PICTURES, page_of


def written(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.glob("*.png")}


async def test_the_script_takes_a_picture_of_each_situation(tmp_path: Path) -> None:
    pages.ready(print)
    await pages.take(tmp_path, tmp_path / "profile")
    taken = written(tmp_path)
    assert set(taken) == set(PICTURES)
    assert [name for name, data in taken.items() if not 2000 < len(data) <= pages.MOST_BYTES] == []


async def test_a_page_that_does_not_say_what_it_is_for_is_not_taken() -> None:
    async with page_of(PICTURES["no-quorum"]) as url:
        with pytest.raises(TimeoutError, match="does not say 'all is well'"):
            await pages.until_said(url, ("all is well",), 1.0)


def test_the_demo_is_recorded_from_a_terminal_with_what_it_printed() -> None:
    found = record(("demo", "--at-once"))
    assert "Now node1 loses its power.\r\n" in found.text
    assert found.text.endswith("in a checkout.\r\n")


def test_nothing_is_recorded_of_a_program_that_fails() -> None:
    with pytest.raises(Refused, match="`reberth demo --no-such` ended with 2"):
        record(("demo", "--no-such"))
