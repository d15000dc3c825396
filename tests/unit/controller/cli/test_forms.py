"""JSON and YAML say the same, whatever a name or a sentence contains."""

from __future__ import annotations

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.forms import Form, written

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_yaml_reads_back_as_what_json_says(value: object) -> None:
    text = written(value, Form.YAML)
    assert yaml.safe_load(text) == value
    assert msgspec.json.decode(written(value, Form.JSON)) == value


@pytest.mark.parametrize("word", ["no", "1e3", "2026-01-01", "~", "a: b", "- x", "\x85", "\U0001f600", "on_off"])
def test_a_word_that_yaml_would_take_for_something_else_stays_a_word(word: str) -> None:
    assert yaml.safe_load(written({"a": [word]}, Form.YAML)) == {"a": [word]}


def test_lists_and_tables_are_told_a_line_each() -> None:
    found = {"volumes": [{"size_bytes": 1, "on": []}, {"size_bytes": 2, "on": ["n"]}]}
    assert written(found, Form.YAML).splitlines() == [
        '"volumes":',
        "  - size_bytes: 1",
        '    "on": []',
        "  - size_bytes: 2",
        '    "on":',
        '      - "n"',
    ]
