"""The references are what the code says now, and leave nothing out."""

from __future__ import annotations

import pytest

from controller.planner.placement import Placement
from controller.settings import SECTIONS, Section, Settings
from tests.references import PAGES, ROOT, messages_page, settings_page


@pytest.mark.parametrize("page", PAGES)
def test_a_reference_is_current(page: str) -> None:
    assert (ROOT / "docs" / page).read_text() == PAGES[page](), "cure: .venv/bin/python -m tests.references"


def test_every_setting_is_there_with_its_variable_and_a_text() -> None:
    text = settings_page()
    sections: dict[str, type[Section]] = {**SECTIONS, "": Settings}
    for name, section in sections.items():
        for key in section.__struct_fields__:
            if key not in {*SECTIONS, "storage", "power"}:
                variable = "_".join(each for each in ("REBERTH", name, key) if each).upper()
                assert f"variable `{variable}`" in text
    assert "Seconds a node must be down before a VM that still runs is fenced" in text


def test_every_placement_is_there_with_its_sentences_and_what_to_do() -> None:
    text = messages_page()
    for placement in Placement:
        assert f"### {placement.value}\n" in text
    assert text.count("To do: ") == len(Placement)
    assert "Volume … may be mounted on …, which is ready, but the gate there was not heard for … s." in text.replace(
        "\n  ", " "
    )
    assert "`docker plugin enable reberth`" in text
