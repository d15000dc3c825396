"""
Makes docs/settings.md and docs/messages.md from the code: ``python -m tests.references``. A test holds them to it.

A setting's text is the string below it in `controller.settings`. A message's are the sentences in the function of its
row in the decision table, with ``…`` where a name is filled in.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from controller import settings
from controller.planner import plan, remedies
from controller.planner.table import OWN, TABLE, WORK

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 138
_SHORTEST = 25  # characters of what is a sentence, and not a word of the code
_MADE = "Made by `python -m tests.references` from the code; a test holds it to that."


def settings_page() -> str:
    about = (
        "`/etc/reberth/reberth.toml`, or the file that `REBERTH_CONFIG` names. A variable overrides the file. "
        "Durations are in seconds. Drivers have settings of their own: [vsphere.md](vsphere.md), "
        "[libvirt.md](libvirt.md), [power.md](power.md)."
    )
    parts = ["# Settings", _wrapped(about), _MADE, "## Outside of sections"]
    sections: dict[str, type[msgspec.Struct]] = {
        **settings.SECTIONS,
        "storage": settings.StorageSettings,
        "power": settings.PowerSettings,
    }
    parts.extend(_keys(settings.Settings, "", frozenset(sections)))
    for name, section in sections.items():
        parts.append(f"## `[{name}]`")
        told = inspect.getdoc(section) or ""
        parts.append(_wrapped(told.partition(": ")[2].capitalize() or told))
        parts.extend(_keys(section, name, frozenset({"options"})))
    return "\n\n".join(each for each in parts if each) + "\n"


def _keys(section: type[msgspec.Struct], name: str, left_out: frozenset[str]) -> Iterator[str]:
    texts = {key: text for kind in reversed(section.__mro__) for key, text in _texts(kind)}
    for field in msgspec.structs.fields(section):
        if field.name in left_out:
            continue
        variable = "_".join(word for word in ("REBERTH", name, field.name) if word).upper()
        yield f"### `{field.name}`"
        yield f"Default {_default(field.default)}, variable `{variable}`."
        yield _wrapped(texts[field.name])


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool | int | float):
        return f"`{value:g}`"
    text = str(getattr(value, "value", value))
    return f"`{text}`" if text else "empty"


def _texts(kind: type) -> Iterator[tuple[str, str]]:
    """Keys of a class and the strings below them."""
    if kind.__module__ != settings.__name__:
        return
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(made, ast.ClassDef)
    for key, text in zip(made.body, made.body[1:], strict=False):
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, ast.Expr):
            yield key.target.id, inspect.cleandoc(ast.literal_eval(text.value)).replace("``", "`")


def messages_page() -> str:
    about = (
        "What `reberth explain`, `reberth status` and the ERROR column of `docker service ps` say, by the row of the "
        "decision table that applies (`placement` in the JSON). Below each: the sentences, with … where a name is "
        "filled in, and what a person can do. Where nothing is listed, the controller acts by itself."
    )
    parts = ["# Messages", _wrapped(about), _MADE, "## All volumes at once"]
    parts.extend(_quotes(sentences(plan, plan._hold_everything)))
    parts.append("To do, in the same order:")
    parts.extend(_quotes(sentences(remedies, remedies._everywhere)))
    parts.append("## One volume")
    for placement, row in TABLE.items():
        parts.append(f"### {placement.value}")
        parts.extend(_quotes(sentences(sys.modules[row.step.__module__], row.step)))
        parts.append(_wrapped(f"To do: {_remedy(row.remedy)}"))
    return "\n\n".join(each for each in parts if each) + "\n"


def _remedy(text: str) -> str:
    if text == OWN:
        return "what the reason itself says."
    if text == WORK:
        return "nothing: it is looked at again within seconds. If it stays so, see the controller's log."
    names = dict.fromkeys(("node", "holder", "service", "disk", "volume"))
    return text.format(**{name: name.upper() for name in names})


def sentences(module: ModuleType, function: Callable[..., Any]) -> list[str]:
    """That a function may say, and the functions of its module that it calls."""
    tree = ast.parse(inspect.getsource(module))
    known = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    found: dict[str, None] = {}
    _collect(known[function.__name__], known, found, set())
    return list(found)


def _collect(node: ast.FunctionDef, known: dict[str, ast.FunctionDef], found: dict[str, None], seen: set[str]) -> None:
    seen.add(node.name)
    body = ast.Module(body=_without_docstring(node), type_ignores=[])
    whole = [each for each in ast.walk(body) if isinstance(each, ast.JoinedStr)]
    inner = {id(part) for each in whole for part in ast.walk(each) if part is not each}
    for each in ast.walk(body):
        text = None if id(each) in inner else _text(each)
        if text is not None and len(text) >= _SHORTEST and text.endswith((".", "…")):
            found[text] = None
        called = each.func.id if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) else ""
        if called in known and called not in seen:
            _collect(known[called], known, found, seen)


def _without_docstring(node: ast.FunctionDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node) else node.body


def _text(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in values)
        case _:
            return None


def _quotes(texts: list[str]) -> Iterator[str]:
    if texts:
        yield "\n".join(_wrapped(f"- {each}", "  ") for each in texts)


def _wrapped(text: str, indent: str = "") -> str:
    joined = " ".join(text.split())
    return textwrap.fill(joined, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page, "messages.md": messages_page}

if __name__ == "__main__":
    for name, made in PAGES.items():
        (ROOT / "docs" / name).write_text(made())
