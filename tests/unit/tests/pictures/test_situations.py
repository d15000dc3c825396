"""The documents show the pictures that there are, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.pictures.pages import MOST_BYTES
from tests.pictures.situations import PHONE, PICTURES

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "docs" / "pictures"
MADE = {f"{name}.png" for name in PICTURES} | {"demo.cast", "demo.svg"}


def test_the_folder_has_what_the_script_makes_and_nothing_else() -> None:
    assert {path.name for path in FOLDER.iterdir()} == MADE


def test_each_is_named_by_a_document() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    named = {name for page in pages for name in re.findall(r"\]\((?:docs/)?pictures/([\w.-]+)\)", page.read_text())}
    assert named == MADE


def test_each_is_small_and_as_wide_as_its_window() -> None:
    sizes = {name: (FOLDER / f"{name}.png").read_bytes() for name in PICTURES}
    assert {name: int.from_bytes(data[16:20]) for name, data in sizes.items()} == {
        name: picture.width for name, picture in PICTURES.items()
    }
    assert max(map(len, sizes.values())) <= MOST_BYTES


def test_one_is_of_a_phone() -> None:
    assert [name for name, each in PICTURES.items() if (each.width, each.height) == PHONE] == ["held-on-a-phone"]
