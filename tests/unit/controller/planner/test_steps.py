"""What is done in each situation, whole: every value that the executor uses, and each sentence as people read it."""

from __future__ import annotations

import pytest

from controller.planner.plan import plan
from tests.support.planner_page import answer, pages, situations

KEPT = pages()


@pytest.mark.parametrize("name", situations())
def test_the_answer_is_the_one_that_the_page_has(name: str) -> None:
    """A change of it is made on purpose: `python -m tests.support.planner_page` writes the page anew."""
    assert answer(*situations()[name]).splitlines() == KEPT[name].splitlines()


def test_the_page_has_these_situations_and_no_others() -> None:
    """One that is gone, or was renamed, leaves nothing behind."""
    assert [*KEPT] == [*situations()]


@pytest.mark.parametrize("name", situations())
def test_an_action_is_about_the_volume_that_it_is_decided_for(name: str) -> None:
    """The executor and the loop look it up by the action's own word."""
    assert all(each.action.volume == each.volume for each in plan(*situations()[name]))
