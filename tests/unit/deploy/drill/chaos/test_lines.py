"""What writers left in their volumes."""

from __future__ import annotations

import pytest

from deploy.drill.chaos.lines import judge, parse


def complaints(text: str, least: int = 0) -> list[str]:
    lines, torn = parse(text)
    return list(judge("append", lines, torn, least))


GOOD = "1 a 10.0\n2 a 10.1\n3 b 20.0\n4 b 20.1\n"


def test_one_writer_after_the_other_with_all_numbers_is_well() -> None:
    assert complaints(GOOD, least=4) == []


def test_a_line_that_a_power_failure_cut_off_is_no_fault_but_many_are() -> None:
    assert complaints("1 a 10.0\n2 a\n2 b 20.0\n") == []
    assert complaints("1 a 10.0\n? x\n2 a 10.2\nzz\n") == ["append: 2 torn lines of 1 writers"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 a 10.0\n3 a 10.1\n", "does not follow the one before, first (1, 3)"),
        ("1 a 10.0\n2 a 10.1\n2 b 10.1\n", "does not follow the one before, first (2, 2)"),
        ("1 a 10.0\n2 b 10.1\n3 a 10.2\n", "1 writers wrote again after another one had begun: a"),
    ],
)
def test_a_hole_a_double_and_a_writer_that_comes_back_are_said(text: str, words: str) -> None:
    assert words in complaints(text)[0]


def test_lines_that_were_there_and_are_gone_are_counted() -> None:
    assert complaints(GOOD, least=9) == ["append: 5 lines that were there are gone (now 4, before 9)"]
    assert complaints("", least=2) == ["append: 2 lines that were there are gone (now 0, before 2)"]
