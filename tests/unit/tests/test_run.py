"""The closing line of `make test` is the truth about both of its parts."""

from __future__ import annotations

from pathlib import Path

from tests.run import ELSEWHERE, LAST, PARTS, STREAMS, TESTS, Counts, counted


def test_what_failed_or_was_skipped_does_not_count_as_passed(tmp_path: Path) -> None:
    """pytest counts a test that broke in its fixtures as an error, not as a failure: both are failed here."""
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="10" failures="2" errors="1" skipped="3"/></testsuites>')

    assert counted(report) == Counts(passed=4, failed=3, skipped=3)


def test_a_part_that_ended_without_a_report_counts_nothing(tmp_path: Path) -> None:
    """Its exit code fails the run; there is nothing to add up."""
    assert counted(tmp_path / "missing.xml") == Counts()


def test_the_parts_are_added_up() -> None:
    """The last line is one for all."""
    assert Counts(1, 2, 3) + Counts(10, 20, 30) == Counts(11, 22, 33)


def test_each_test_is_in_one_part() -> None:
    """What is in none would never run, what is in two would run twice. Others have a command of their own."""
    ignored = {each.removeprefix("--ignore=") for part in PARTS.values() for each in part if each.startswith("--")}
    for file in TESTS.rglob("test_*.py"):
        name = str(file.relative_to(TESTS))
        whole = [part for part, paths in PARTS.items() if name.split("/", maxsplit=1)[0] in paths]
        alone = [part for part, paths in PARTS.items() if name in paths]
        elsewhere = name.split("/", maxsplit=1)[0] in ELSEWHERE

        assert len(whole) + len(alone) - (str(file) in ignored) + elsewhere == 1, name


def test_what_make_test_leaves_out_has_a_command_of_its_own() -> None:
    commands = (TESTS.parent / "Makefile").read_text()
    assert [each for each in ELSEWHERE if f"tests/{each}" not in commands] == []


def test_each_part_is_in_one_stream() -> None:
    """A part that none names would never run."""
    assert sorted([*(part for stream in STREAMS for part in stream), LAST]) == sorted(PARTS)
