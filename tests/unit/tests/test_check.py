"""`make check` runs each of its tests once, and none that starts processes or attacks."""

from __future__ import annotations

from pathlib import Path

from tests.check import FOLDERS, PARTS
from tests.run import PARTS as ALL
from tests.run import TESTS


def test_each_of_its_tests_is_in_one_part() -> None:
    """What is in none would never run, what is in two would run twice. `make test` runs them all, and others."""
    assert set(FOLDERS) < set(ALL["computing"])
    for folder in FOLDERS:
        for file in (TESTS / folder).rglob("test_*.py"):
            assert [runs(paths, file) for paths in PARTS.values()].count(True) == 1, file


def runs(paths: tuple[str, ...], file: Path) -> bool:
    ignored = [Path(each.removeprefix("--ignore=")) for each in paths if each.startswith("--")]
    folders = [TESTS / each for each in paths if not each.startswith("--")]
    return any(file.is_relative_to(each) for each in folders) and not any(file.is_relative_to(each) for each in ignored)
