"""The recorded demo is what any player reads, and is what `reberth demo` prints."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from controller.cli.demo import Trouble, play, set_up, verdict
from tests.pictures.recording import MOST_BYTES, MOST_IDLE, Recording, bounded, cast, still

FOLDER = Path(__file__).resolve().parents[4] / "docs" / "pictures"
RECORDED = (FOLDER / "demo.cast").read_text()


def events() -> list[list[object]]:
    return [json.loads(line) for line in RECORDED.splitlines()[1:]]


def told() -> str:
    return "".join(str(text) for _, _, text in events()).replace("\r\n", "\n")


def test_the_recording_is_an_asciicast_of_version_2() -> None:
    header = json.loads(RECORDED.splitlines()[0])
    assert (header["version"], type(header["width"]), type(header["height"])) == (2, int, int)
    times = [at for at, kind, text in events() if kind == "o" and isinstance(text, str) and isinstance(at, float)]
    assert len(times) == len(events()) > 5
    assert times == sorted(times)


def test_nobody_waits_long_in_it_and_it_is_small() -> None:
    times = [0.0, *(float(str(at)) for at, _, _ in events())]
    assert max(later - at for at, later in pairwise(times)) <= MOST_IDLE + 0.001
    assert len(RECORDED) < MOST_BYTES


@pytest.mark.looptime
async def test_the_recording_says_what_the_demo_says_now() -> None:
    async def no_sleep(_: float) -> None:
        """A test has no audience."""

    stage, said = await set_up(), list[str]()
    moved = await play(stage, Trouble.POWER, said.append, no_sleep)
    said.append(verdict(stage, moved=moved))
    assert told().startswith("\n".join(said) + "\n")


def test_the_still_is_of_the_recording_and_loads_nothing() -> None:
    drawn = (FOLDER / "demo.svg").read_text()
    assert drawn == still(Recording(tuple((float(str(at)), str(text)) for at, _, text in events())))
    assert "url(&quot;http" not in drawn
    assert 'url("' not in drawn
    assert "@import" not in drawn


def test_a_pause_is_bounded_also_before_the_first_word() -> None:
    assert bounded([(9.0, "a"), (9.5, "b"), (20.0, "c")], 2.0) == ((2.0, "a"), (2.5, "b"), (4.5, "c"))


def test_what_is_written_is_read_back() -> None:
    lines = cast(Recording(((0.25, "é\r\n"),))).splitlines()
    assert [json.loads(each) for each in lines[1:]] == [[0.25, "o", "é\r\n"]]
