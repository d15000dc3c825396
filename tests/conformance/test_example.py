"""The example of docs/drivers.md is a package of its own that passes the suite as its author would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.run import counted

EXAMPLE = Path(__file__).parents[2] / "docs/examples/reberth-folder"


def test_the_example_driver_passes_the_suite_in_its_own_directory(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--junitxml={report}"]
    paths = ["--rootdir", str(EXAMPLE), str(EXAMPLE / "test_reberth_folder.py")]
    done = subprocess.run([*command, *paths], cwd=EXAMPLE, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert counted(report).passed > 25
    assert counted(report).skipped == 0
