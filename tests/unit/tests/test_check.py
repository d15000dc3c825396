"""`make check` runs each of its tests once, and what failed is not missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check import PARTS, main
from tests.run import PARTS as ALL
from tests.run import TESTS


def test_each_test_that_needs_no_lab_is_in_one_part() -> None:
    """What is in none would never run, what is in two would run twice."""
    for folder in ALL["computing"]:
        for file in (TESTS / folder).rglob("test_*.py"):
            assert [runs(paths, file) for paths in PARTS.values()].count(True) == 1, file


def runs(paths: tuple[str, ...], file: Path) -> bool:
    ignored = [Path(each.removeprefix("--ignore=")) for each in paths if each.startswith("--")]
    folders = [TESTS / each for each in paths if not each.startswith("--")]
    return any(file.is_relative_to(each) for each in folders) and not any(file.is_relative_to(each) for each in ignored)


def test_what_failed_is_shown_last_and_counted(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    bad, good = tmp_path / "test_bad.py", tmp_path / "test_good.py"
    bad.write_text("def test_sum():\n    assert 1 + 1 == 3\n")
    good.write_text("def test_sum():\n    assert 1 + 1 == 2\n")

    assert main({"bad": (str(bad),), "good": (str(good),)}) == 1
    printed = capfdbinary.readouterr().out.decode()
    assert printed.index("good:") < printed.index("bad:") < printed.index("assert (1 + 1) == 3")
    assert printed.endswith("\n1 passed, 1 failed, 0 skipped\n")
