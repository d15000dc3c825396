"""What fails in `make check` is not missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check import main


def test_what_failed_is_shown_last_and_counted(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    bad, good = tmp_path / "test_bad.py", tmp_path / "test_good.py"
    bad.write_text("def test_sum():\n    assert 1 + 1 == 3\n")
    good.write_text("def test_sum():\n    assert 1 + 1 == 2\n")

    assert main({"bad": (str(bad),), "good": (str(good),)}) == 1
    printed = capfdbinary.readouterr().out.decode()
    assert printed.index("good:") < printed.index("bad:") < printed.index("assert (1 + 1) == 3")
    assert printed.endswith("\n1 passed, 1 failed, 0 skipped\n")
