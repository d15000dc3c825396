"""
The commands that documents tell people, and what is wrong with them: held against the parsers and the Makefile
themselves, without carrying anything out.

A command stands in a fenced block, or in inline code. Names in capitals, `...` and `…` are for the reader to fill in.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path

import typer
from typer._click.core import Command, Context, Parameter  # typer's own copy of click: it offers no other way in
from typer._click.exceptions import ClickException, UsageError
from typer.core import TyperGroup

from controller.cli.app import load

# Commands that hand their words on to a program with a parser of its own.
PROGRAMS = {"lab": "deploy.lab.cli", "drill": "deploy.drill.cli", "chaos": "deploy.drill.chaos.cli"}
_BEGINS = re.compile(r"^(?:\$ |# )?(?:\S*/)?(?:docker )?(reberth|make)(?: |$)")
_ENDS = {"|", ">", ">>", "<", "&&", "||", ";", "&"}


@dataclass(frozen=True)
class Told:
    """``words`` without the program's name; ``whole``: it can be typed as it stands (a block), not only a mention."""

    place: str
    program: str
    words: tuple[str, ...]
    whole: bool

    @property
    def line(self) -> str:
        return " ".join((self.program, *self.words))


def commands(name: str, text: str) -> Iterator[Told]:
    """All that a page tells people to type, in its order. ``place`` is ``name:line``, from 1."""
    fenced = False
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield from _told(f"{name}:{number}", _joined(lines, number - 1), whole=True)
        else:
            for code in re.findall(r"`([^`]+)`", line):
                yield from _told(f"{name}:{number}", code, whole=False)


def _joined(lines: Sequence[str], at: int) -> str:
    """A line with those that a backslash at its end goes on to."""
    found = lines[at].strip()
    while found.endswith("\\") and at + 1 < len(lines):
        at += 1
        found = f"{found[:-1].rstrip()} {lines[at].strip()}"
    return found


def _told(place: str, text: str, *, whole: bool) -> Iterator[Told]:
    begins = _BEGINS.match(text)
    if not begins:
        return
    words = tuple(_words(text[begins.start(1) :]))
    yield Told(place, words[0], words[1:], whole)


def _words(text: str) -> Iterator[str]:
    """Up to where the shell, not the program, reads on."""
    parser = shlex.shlex(text, posix=True, punctuation_chars="|><&;")
    parser.whitespace_split = True
    for word in parser:
        if word in _ENDS:
            return
        yield word


def complaint(told: Told, known: frozenset[str]) -> str:
    """What is wrong with a command, after its file and line; empty where nothing is."""
    found = _make(told, known) if told.program == "make" else _reberth(told)
    return f"{told.place}: `{told.line}`: {found}" if found else ""


def targets(makefile: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z-]+):", makefile.read_text(), re.MULTILINE))


def _make(told: Told, known: frozenset[str]) -> str:
    named = [word for word in told.words if "=" not in word]
    unknown = [word for word in named if word not in known]
    if unknown:
        return f"the Makefile has no target {unknown[0]}"
    arguments = next((word.removeprefix("ARGS=") for word in told.words if word.startswith("ARGS=")), "")
    if named[:1] == ["drill"] and arguments:
        return _reberth(replace(told, program="reberth", words=("drill", *shlex.split(arguments))))
    return ""


def _reberth(told: Told) -> str:
    if not told.words or told.words[0] in {"COMMAND", "...", "…"}:
        return ""
    try:
        _parse(_all(), told.words, whole=told.whole)
    except ClickException as error:
        return error.format_message()
    return ""


@cache
def _all() -> Command:
    return typer.main.get_command(load())


@cache
def _program(module: str) -> Command:
    return typer.main.get_command(import_module(module).app)


def _parse(command: Command, words: Sequence[str], *, whole: bool) -> None:
    """Raises ClickException where the command's own parser would refuse the words."""
    if command.name in PROGRAMS and command.context_settings.get("ignore_unknown_options"):
        _parse(_program(PROGRAMS[command.name]), words, whole=whole)
        return
    context = Context(command, info_name=command.name)
    values, beyond, _ = command.make_parser(context).parse_args(list(words))
    for parameter in command.get_params(context):
        _check(context, parameter, values.get(parameter.name or ""), whole=whole and "--help" not in words)
    _parse_beyond(command, beyond, whole=whole)


def _parse_beyond(command: Command, words: Sequence[str], *, whole: bool) -> None:
    if not isinstance(command, TyperGroup):
        if more := [word for word in words if not _left_open(word)]:
            raise UsageError(f"nothing takes the word {more[0]}")
        return
    if not words or _left_open(words[0]):
        return
    if words[0] not in command.commands:
        raise UsageError(f"there is no command {words[0]}")
    _parse(command.commands[words[0]], words[1:], whole=whole)


def _check(context: Context, parameter: Parameter, value: object, *, whole: bool) -> None:
    if isinstance(value, str) and not _left_open(value):
        parameter.process_value(context, value)
    elif whole and parameter.required and not isinstance(value, str | list | tuple):
        raise UsageError(f"{parameter.name} is missing")


def _left_open(word: str) -> bool:
    """For the reader to fill in: VOLUME, <name>, or dots."""
    return word.isupper() or word.startswith("<") or "…" in word or "..." in word or "|" in word
