"""By its code the command tells whether to go on with an upgrade."""

from __future__ import annotations

import pytest

from controller.cli.client import Exit
from controller.cli.commands.upgrade import code_of
from controller.protocol.views import UpgradeView


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("done", Exit.DONE), ("wait", Exit.HELD), ("go on", Exit.UNFINISHED), ("a later word", Exit.UNFINISHED)],
)
def test_only_done_ends_with_0_and_what_is_to_be_waited_for_with_a_code_of_its_own(verdict: str, code: Exit) -> None:
    assert code_of(UpgradeView(verdict, "", "")) == code
