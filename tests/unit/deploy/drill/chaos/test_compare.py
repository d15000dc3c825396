"""Two runs side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.drill.chaos.cli import app
from deploy.drill.chaos.compare import read, rows, worse
from deploy.drill.chaos.report import ChaosReport, Entry, write
from deploy.drill.errors import DrillError


def report(*entries: Entry) -> ChaosReport:
    return ChaosReport(7, "namespaces", "pass", 12.0, entries, 10, {})


BEFORE = report(Entry(1, "", ("cut",), 10.0), Entry(2, "", ("cut", "kill"), 30.0))
AFTER = report(Entry(1, "", ("cut",), 5.0, ("a commit is lost",)), Entry(2, "", ("loss",), 8.0))


def test_each_fault_of_either_run_has_a_row_and_a_dash_stands_for_what_was_not_played() -> None:
    assert list(rows(BEFORE, AFTER)) == [
        ("cut", "2 / 1", "20 / 5", "30 / 5", "0 / 1"),
        ("kill", "1 / -", "30 / -", "30 / -", "0 / -"),
        ("loss", "- / 1", "- / 8", "- / 8", "- / 0"),
    ]


def test_what_fails_now_and_did_not_before_is_said() -> None:
    assert list(worse(BEFORE, AFTER)) == ["cut failed in 1 episodes, and in none before"]
    assert list(worse(AFTER, AFTER)) == list(worse(AFTER, BEFORE)) == []


def test_a_report_is_found_by_its_file_or_its_folder_and_another_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, BEFORE)

    assert read(tmp_path) == read(tmp_path / "chaos.json") == BEFORE
    with pytest.raises(DrillError, match=r"chaos\.html is no report of chaos"):
        read(tmp_path / "chaos.html")


def test_the_command_shows_both_and_ends_with_one_where_it_became_worse(tmp_path: Path) -> None:
    write(tmp_path / "a", BEFORE)
    write(tmp_path / "b", AFTER)
    compared = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])

    assert compared.exit_code == 1
    assert "20 / 5" in compared.output
    assert "cut failed" in compared.output
    assert CliRunner().invoke(app, ["compare", str(tmp_path / "b"), str(tmp_path / "b")]).exit_code == 0
    assert CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "c")]).exit_code == 2
