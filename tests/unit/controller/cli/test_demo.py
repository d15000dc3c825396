"""The demonstration tells what the planner decides, and its storage agrees: never two writers."""

from __future__ import annotations

from typing import get_args

import pytest

from controller.cli.commands.tools import Happening
from controller.cli.demo import Trouble, play, set_up, verdict

pytestmark = pytest.mark.looptime


async def no_sleep(_: float) -> None:
    """A test has no audience."""


async def played(trouble: Trouble) -> tuple[list[str], bool, str]:
    stage, said = await set_up(), list[str]()
    moved = await play(stage, trouble, said.append, no_sleep)
    return said, moved, verdict(stage, moved=moved)


@pytest.mark.parametrize(
    ("trouble", "steps"),
    [
        (Trouble.POWER, ("detach", "attach", "grant-mount", "converged")),
        (Trouble.NETWORK, ("revoke", "wait", "fence", "detach", "attach", "grant-mount", "converged")),
    ],
)
async def test_a_volume_moves_with_proof_and_only_one_vm_writes(trouble: Trouble, steps: tuple[str, ...]) -> None:
    said, moved, end = await played(trouble)
    told = [line.split()[3] for line in said if line.startswith("+")][1:]
    assert (tuple(told), moved) == (steps, True)
    assert "Who can write now: vm-2. At most 1 VM could at any moment." in end


async def test_without_proof_it_waits_and_says_what_a_person_can_do() -> None:
    said, moved, end = await played(Trouble.HOST)
    assert not moved
    assert "Unknown is never taken for dead" in said[-1]
    assert "reberth confirm-dead node1" in said[-1]
    assert "Who can write now: vm-1. At most 1 VM" in end


def test_whatever_can_happen_can_be_asked_for() -> None:
    assert get_args(Happening) == tuple(each.value for each in Trouble)
