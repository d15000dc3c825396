"""What documents tell people to type is what the programs take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documented import commands, complaint, targets
from tests.references import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
KNOWN = frozenset({"test", "drill"})


def said(text: str) -> list[str]:
    return [complaint(each, KNOWN) for each in commands("page.md", text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_one_that_its_program_takes(page: Path) -> None:
    known = targets(ROOT / "Makefile")
    told = commands(str(page.relative_to(ROOT)), page.read_text())
    assert [found for each in told if (found := complaint(each, known))] == []


def test_the_pages_have_commands_of_both_kinds() -> None:
    """A reader that finds none would call every page right."""
    found = [each for page in PAGES for each in commands(page.name, page.read_text())]
    assert {(each.program, each.whole) for each in found} == {
        ("reberth", True),
        ("reberth", False),
        ("make", True),
        ("make", False),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a\n`reberth stratus`", "page.md:2: `reberth stratus`: there is no command stratus"),
        ("`docker reberth status --no-such`", "page.md:1: `reberth status --no-such`: No such option: --no-such"),
        ("```\nreberth drill --no-such\n```", "page.md:2: `reberth drill --no-such`: No such option: --no-such"),
        ("`reberth status data more`", "page.md:1: `reberth status data more`: nothing takes the word"),
        ("`make tset`", "page.md:1: `make tset`: the Makefile has no target tset"),
        ("`make drill ARGS='--no-such'`", "page.md:1: `make drill ARGS=--no-such`: No such option: --no-such"),
        ("`reberth status -o paper`", "page.md:1: `reberth status -o paper`: Invalid value for '-o'"),
        ("```\nreberth explain  # why\n```", "page.md:2: `reberth explain`: volume is missing"),
    ],
)
def test_what_a_program_would_refuse_is_told_with_file_and_line(text: str, why: str) -> None:
    [found] = said(text)
    assert found.startswith(why)


@pytest.mark.parametrize(
    "text",
    [
        "`reberth explain VOLUME`",
        "`reberth explain`",
        "`reberth COMMAND --help`",
        "`reberth confirm-dead NODE --reason ...`",
        "```\n$ docker reberth status | head\n```",
        "```\nmake test  # all\n```",
        "```\nreberth confirm-dead \\\n  node1 --reason gone\n```",
    ],
)
def test_what_a_program_takes_is_let_be(text: str) -> None:
    assert set(said(text)) == {""}
