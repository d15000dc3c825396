"""
What docs/vsphere-findings.md and docs/vsphere-features.md name as code and as tests is there.

In both, a name may begin with what stands for its folder; a file without a folder is in that of the one before it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = {
    "iv": "tests/integration/vsphere",
    "uv": "tests/unit/drivers/vsphere",
    "uc": "tests/unit/controller",
    "gate": "tests/unit/controller/gate",
}
NAMED = re.compile(r"(?:\b(iv|uv|uc|gate) )?`([\w/-]+\.(?:py|md))(?:::(test_\w+))?`")
WITHOUT = ("no", "-")  # what begins a cell of what is not there


def test_each_test_that_the_findings_name_is_there() -> None:
    text = " ".join((ROOT / "docs/vsphere-findings.md").read_text().split())
    named = NAMED.findall(text)
    assert len(named) > 35
    for folder, file, name in named:
        path = ROOT / FOLDERS.get(folder, "") / file
        assert path.exists(), f"{folder} {file}"
        assert not name or re.search(rf"def {name}\(", path.read_text()), f"{file} has no {name}"


def rows() -> list[list[str]]:
    """Of the table of features: its cells."""
    text = (ROOT / "docs/vsphere-features.md").read_text()
    table = text.partition("| feature |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_feature_names_the_code_and_the_test_that_there_are(row: list[str]) -> None:
    feature, *_, reberth, where = row
    named = re.findall(r"(?:\b(iv|uv|uc) )?`([\w/.-]+)`", where)
    found = [folder_of(*each) for each in named]
    for path in found:
        assert path.exists(), path
    if reberth.strip("*").startswith(WITHOUT) and where == "-":
        return
    tests = [each for each in found if (ROOT / "tests") in each.parents]
    assert tests, f"{feature} names no test"
    assert len(tests) < len(found), f"{feature} names no code"


def folder_of(folder: str, name: str) -> Path:
    if folder:
        return ROOT / FOLDERS[folder] / name
    for short, long in (("v/", "drivers/vsphere"), ("c/", "controller")):
        if name.startswith(short):
            return ROOT / long / name.removeprefix(short)
    return ROOT / "tests" / name
