"""The page of expectations names files and tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "expectations.md"
NAMED = sorted(set(re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sh|yml|json)(?:::\w+)?)`", PAGE.read_text())))


@pytest.mark.parametrize("named", NAMED)
def test_each_file_is_there_and_has_the_test(named: str) -> None:
    file, _, test = named.partition("::")
    text = (ROOT / file).read_text()
    assert not test or re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), named


def test_most_rows_name_a_test() -> None:
    rows = re.findall(r"^- \*\*(.*?)(?=^- \*\*|^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    without = [row.partition("**")[0] for row in rows if "tests/" not in row]
    assert without == ["Engine versions", "Portainer, Swarmpit", "Versions"]
