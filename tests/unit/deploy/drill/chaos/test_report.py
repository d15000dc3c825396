"""The report of a chaos run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from deploy.drill.chaos.report import ChaosReport, Entry, Trend, page, write

FOUND = ChaosReport(
    seed=7,
    lab="namespaces",
    verdict="fail",
    minutes=12.3,
    entries=(
        Entry(1, "episode 1: cut swarm01", ("cut",), 10.0),
        Entry(2, "episode 2: cut swarm01; kill <b>", ("cut", "kill"), 30.0, ("5 commits are lost",)),
    ),
    acknowledged=1000,
    numbers={"append": 50},
    trends=(Trend("swarm01", 11.0, (1000, 1010), (20, 21)),),
    smallest="episode 2: kill",
)


def test_each_fault_has_its_episodes_its_times_and_its_failures() -> None:
    assert FOUND.by_fault() == {"cut": (2, 20.0, 30.0, 1), "kill": (1, 30.0, 30.0, 1)}


def test_the_page_says_what_was_broken_what_was_wrong_and_escapes_it() -> None:
    shown = page(FOUND)

    for words in ("seed 7: fail", "2 episodes, 1 with something wrong", "5 commits are lost", "kill &lt;b&gt;"):
        assert words in shown
    assert "<b>" not in shown
    assert "1000 to 1010" in shown


def test_the_files_are_both_written_and_the_data_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "sub", FOUND)

    assert msgspec.json.decode((tmp_path / "sub/chaos.json").read_bytes(), type=ChaosReport) == FOUND
    assert (tmp_path / "sub/chaos.html").read_text() == page(FOUND)
