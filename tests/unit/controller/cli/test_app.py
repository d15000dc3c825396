"""Commands add themselves, are documented, and go on only when a person means it."""

from __future__ import annotations

import inspect
import io
import re
import sys
from pathlib import Path

import pytest
import typer

from controller.cli.app import load, must_type, show
from controller.cli.client import Unanswered
from controller.cli.forms import Form
from controller.protocol.operator import Told

PAGE = Path(__file__).resolve().parents[4] / "docs/commands.md"


def commands() -> dict[str, str]:
    """Name -> what it does, in the order of the page."""
    listed = load().registered_commands
    told = {
        each.name or each.callback.__name__: inspect.getdoc(each.callback) or "" for each in listed if each.callback
    }
    groups = {each.name or "": str(each.help) for each in load().registered_groups}
    return dict(sorted((told | groups).items()))


def test_every_command_is_in_the_page_of_commands_with_the_words_of_its_help() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    assert rows == commands()
    assert list(rows) == sorted(rows)


def test_every_module_of_commands_adds_one() -> None:
    """A file that was forgotten to be one would be found by nobody."""
    folder = PAGE.parents[1] / "controller/cli/commands"
    groups = [each.typer_instance for each in load().registered_groups]
    listed = [each for group in (load(), *groups) if group for each in group.registered_commands]
    adds = {each.callback.__module__.rpartition(".")[2] for each in listed if each.callback}
    assert adds == {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_loading_twice_adds_nothing() -> None:
    first, again = [len(load().registered_commands) + len(load().registered_groups) for _ in range(2)]
    assert first == again == len(commands())


def test_an_answer_is_printed_as_it_came_when_a_program_asks(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    show(Told("done"), lambda _, __: pytest.fail("a picture for a program"), Form.JSON)
    sys.stdout.flush()

    assert capfdbinary.readouterr().out == b'{\n  "text": "done"\n}\n'


def test_an_answer_is_drawn_when_a_person_asks(capsys: pytest.CaptureFixture[str]) -> None:
    show(Told("done"), lambda console, told: console.print(told.text), Form.TABLE)

    assert capsys.readouterr().out == "done\n"


def test_without_a_terminal_nothing_is_asked_and_nothing_is_done() -> None:
    """pytest's standard input is none."""
    assert not isinstance(sys.stdin, io.TextIOWrapper) or not sys.stdin.isatty()
    with pytest.raises(Unanswered, match=r"asks for data at a terminal .*; or say --yes"):
        must_type("data")


def test_the_application_is_one_that_typer_can_run() -> None:
    assert typer.main.get_command(load()).get_short_help_str()
