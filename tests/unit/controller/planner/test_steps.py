"""What is done in each situation, whole: every value that the executor uses, and each sentence as people read it."""

from __future__ import annotations

import pytest

from tests.support.planner_page import answer, pages, situations

KEPT = pages()


@pytest.mark.parametrize("name", situations())
def test_the_answer_is_the_one_that_the_page_has(name: str) -> None:
    """A change of it is made on purpose: `python -m tests.support.planner_page` writes the page anew."""
    assert answer(*situations()[name]).splitlines() == KEPT[name].splitlines()


def test_the_page_has_these_situations_and_no_others() -> None:
    """One that is gone, or was renamed, leaves nothing behind."""
    assert [*KEPT] == [*situations()]
