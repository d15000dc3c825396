"""What docs/vsphere-findings.md names as tests are tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = {"iv": "tests/integration/vsphere", "uv": "tests/unit/drivers/vsphere", "gate": "tests/unit/controller/gate"}
NAMED = re.compile(r"(?:\b(iv|uv|gate) )?`([\w/]+\.py)(?:::(test_\w+))?`")


def test_each_test_that_the_findings_name_is_there() -> None:
    text = " ".join((ROOT / "docs/vsphere-findings.md").read_text().split())
    named = NAMED.findall(text)
    assert len(named) > 35
    for folder, file, name in named:
        path = ROOT / FOLDERS.get(folder, "") / file
        assert path.exists(), f"{folder} {file}"
        assert not name or re.search(rf"def {name}\(", path.read_text()), f"{file} has no {name}"
