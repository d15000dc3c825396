"""
All that the planner answers in the situations of the tests, letter for letter, on one page for people to read.

A sentence that is told at night is changed on purpose or not at all: `python -m tests.support.planner_page` writes the
page anew, and the change is seen in the commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from controller.model import Policy, World
from controller.planner.actions import Action
from controller.planner.plan import Decision, plan
from controller.planner.remedies import remedy
from tests.support.planner_table import TABLE
from tests.support.told import SITUATIONS
from tests.support.worlds import POLICY, V

PAGE = Path(__file__).parents[1] / "fixtures/planner_page.txt"


def situations() -> Mapping[str, tuple[World, Policy]]:
    return {name: (row[0], POLICY) for name, row in TABLE.items()} | {
        f"told: {name}": (each.world, each.policy) for name, each in SITUATIONS.items()
    }


def answer(world: World, policy: Policy) -> str:
    """What is decided about the volume that the situation is of, one field a line."""
    decision = next(each for each in plan(world, policy) if each.volume == V)
    place = "-" if decision.placement is None else decision.placement.value
    lines = [
        f"{place} -> {type(decision.action).__name__}",
        *_fields(decision.action),
        *_remedy(decision, world, policy),
    ]
    return "\n".join(lines)


def pages() -> Mapping[str, str]:
    """The page as it is kept, by situation."""
    parts = PAGE.read_text().split("# ")[1:]
    return {name: text.rstrip("\n") for name, _, text in (each.partition("\n") for each in parts)}


def _fields(action: Action) -> Iterator[str]:
    for each in fields(action):
        value = getattr(action, each.name)
        if each.name != "volume" and value not in (None, "", ()):
            yield f"  {each.name}: {_short(value)}"


def _short(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return "; ".join(_short(each) for each in value)
    if is_dataclass(value):
        return ", ".join(_short(getattr(value, each.name)) for each in fields(value))
    return str(value)


def _remedy(decision: Decision, world: World, policy: Policy) -> Iterator[str]:
    yield f"  remedy: {remedy(decision, world, policy)}"


def main() -> None:
    texts = (f"# {name}\n{answer(*each)}\n" for name, each in situations().items())
    PAGE.write_text("\n".join(texts))


if __name__ == "__main__":
    main()
