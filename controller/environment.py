"""The variables REBERTH_* as keys of the configuration, and the ranges of its numbers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec


class BadVariable(Exception):
    """The text says which, and why."""


def override(
    raw: dict[str, Any],
    environment: Mapping[str, str],
    top_level: Collection[str],
    sections: Collection[str],
    drivers: Collection[str],
) -> None:
    """What the variables say is put into ``raw``, over what the file says. Raises BadVariable."""
    for path, value in _paths(environment, top_level, sections, drivers):
        _put(raw, path, value)


def _paths(
    environment: Mapping[str, str], top_level: Collection[str], sections: Collection[str], drivers: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """
    Variables -> paths of keys. A variable that is none of ours is left alone: gates and the node service have others.
    One that names a section and no key of it is passed on, and refused there as a key of the file would be.
    """
    for variable, value in sorted(environment.items()):
        name = variable.removeprefix("REBERTH_").lower()
        if name == variable.lower():
            continue
        if name in top_level:
            yield (name,), value
            continue
        section, _, key = name.partition("_")
        if section in sections and key:
            yield (section, key), value
        elif section in drivers and key:
            driver, _, own = key.partition("_")
            yield ((section, driver, own) if own else (section, key)), value


def _put(raw: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    table = raw
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise BadVariable(f"REBERTH_{'_'.join(path).upper()} is set, but {name} is no section in the file")
    table[path[-1]] = value


def plain(kind: type[msgspec.Struct], error: msgspec.ValidationError) -> str:
    """The library says ``Expected ... - at `$.policy.grace```; a person reads ``policy.grace: Expected ...``."""
    message, _, at = str(error).partition(" - at `$.")
    path = at.rstrip("`")
    return f"{path}: {message}{range_of(kind, path)}" if at else message


def range_of(kind: type[msgspec.Struct], path: str) -> str:
    """What may be said for the number at ``path`` ("policy.grace"), as the end of a sentence; empty for other keys."""
    found: Any = msgspec.inspect.type_info(kind)
    for name in path.split("."):
        fields = {field.name: field.type for field in getattr(found, "fields", ())}
        found = fields.get(name)
    least, most = getattr(found, "ge", None), getattr(found, "le", None)
    return "" if least is None or most is None else f": say a number from {least:g} to {most:g}, or leave it out"
