"""
From the name of a driver in the settings to a driver: entry points of the group ``reberth.drivers``.

An entry point's value is ``module:create`` with ``create(settings: Mapping[str, object]) -> StorageDriver``. A driver
checks its own settings (msgspec's ValidationError, or ValueError with a sentence); it is imported only when chosen.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import cast

import msgspec

from drivers.base import StorageDriver

GROUP = "reberth.drivers"

Factory = Callable[[Mapping[str, object]], StorageDriver]


class LoadingError(Exception):
    """No driver, and why: one sentence with the cure."""


def known() -> tuple[str, ...]:
    return tuple(sorted({each.name for each in entry_points(group=GROUP)}))


def load(name: str | None, settings: Mapping[str, object]) -> StorageDriver:
    """Make the driver ``name``. Raises `LoadingError`."""
    if not name:
        raise LoadingError(
            'no storage is configured: put `driver = "NAME"` into the section [storage] of reberth.toml; '
            f"known drivers: {', '.join(known())}"
        )
    factory = _import(_find(name))
    try:
        return factory(settings)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise LoadingError(f"the section [storage.{name}] of reberth.toml is wrong: {error}") from error
    except OSError as error:
        raise LoadingError(f"the driver {name} cannot read a file named in [storage.{name}]: {error}") from error


def _find(name: str) -> EntryPoint:
    found = [each for each in entry_points(group=GROUP) if each.name == name]
    if found:
        return found[0]
    near = difflib.get_close_matches(name, known(), 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise LoadingError(f"there is no storage driver {name!r}: {guess}known drivers: {', '.join(known())}")


def _import(entry: EntryPoint) -> Factory:
    try:
        factory = entry.load()
    except ImportError as error:
        raise LoadingError(
            f"the driver {entry.name} cannot be loaded, it needs something that is missing: {error}"
        ) from error
    except AttributeError as error:
        raise LoadingError(f"the driver {entry.name} has no {entry.value!r}: it is installed wrongly") from error
    if not callable(factory):
        raise LoadingError(f"the driver {entry.name} is installed wrongly: {entry.value!r} cannot be called")
    return cast("Factory", factory)
