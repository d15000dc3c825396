"""
From the names of drivers in the settings to drivers: entry points of ``reberth.drivers`` and ``reberth.power``.

An entry point's value is ``module:create`` with ``create(settings: Mapping[str, object])`` that returns a
`StorageDriver` or a `PowerDriver`. A driver checks its own settings (msgspec's ValidationError, or ValueError with a
sentence); it is imported only when chosen.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, cast

import msgspec

from drivers.base import PowerDriver, StorageDriver

Kind = Literal["storage", "power"]
"""What a driver is chosen for: the section of reberth.toml, too."""

GROUPS: Mapping[Kind, str] = {"storage": "reberth.drivers", "power": "reberth.power"}

Factory = Callable[[Mapping[str, object]], object]


class LoadingError(Exception):
    """No driver, and why: one sentence with the cure."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one section of the settings says: the driver's name, if any, and its own table."""

    name: str | None
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Drivers:
    """``power`` may be the same object as ``storage``."""

    storage: StorageDriver
    power: PowerDriver

    async def close(self) -> None:
        for driver in {id(each): each for each in (self.storage, self.power)}.values():
            await driver.close()


def known(kind: Kind) -> tuple[str, ...]:
    return tuple(sorted({each.name for each in entry_points(group=GROUPS[kind])}))


def load(storage: Chosen, power: Chosen) -> Drivers:
    """Make the drivers; who names no power driver means the storage's own. Raises `LoadingError`."""
    if not storage.name:
        raise LoadingError(
            'no storage is configured: put `driver = "NAME"` into the section [storage] of reberth.toml; '
            f"known drivers: {', '.join(known('storage'))}"
        )
    elsewhere = None
    if power.name is not None and (power.name != storage.name or power.settings):
        elsewhere = load_power(power.name, power.settings)
    disks = _make("storage", storage.name, storage.settings)
    if not isinstance(disks, StorageDriver):
        raise LoadingError(f"the driver {storage.name} is installed wrongly: what it makes is no StorageDriver")
    if elsewhere is not None:
        return Drivers(disks, elsewhere)
    if not isinstance(disks, PowerDriver):
        raise LoadingError(
            f'the storage driver {storage.name} knows nothing about power: put `driver = "NAME"` into the section '
            f"[power] of reberth.toml; known drivers: {', '.join(known('power'))}"
        )
    return Drivers(disks, disks)


def load_power(name: str, settings: Mapping[str, object]) -> PowerDriver:
    """Make the power driver ``name``. Raises `LoadingError`."""
    made = _make("power", name, settings)
    if not isinstance(made, PowerDriver):
        raise LoadingError(f"the driver {name} is installed wrongly: what it makes is no PowerDriver")
    return made


def _make(kind: Kind, name: str, settings: Mapping[str, object]) -> object:
    factory = _import(_find(kind, name))
    try:
        return factory(settings)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise LoadingError(f"the section [{kind}.{name}] of reberth.toml is wrong: {error}") from error
    except OSError as error:
        raise LoadingError(f"the driver {name} cannot read a file named in [{kind}.{name}]: {error}") from error
    except ImportError as error:
        raise LoadingError(_missing(name, error)) from error


def _find(kind: Kind, name: str) -> EntryPoint:
    found = [each for each in entry_points(group=GROUPS[kind]) if each.name == name]
    if found:
        return found[0]
    near = difflib.get_close_matches(name, known(kind), 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise LoadingError(f"there is no {kind} driver {name!r}: {guess}known drivers: {', '.join(known(kind))}")


def _missing(name: str, error: ImportError) -> str:
    return f"the driver {name} cannot be loaded, it needs something that is missing: {error}"


def _import(entry: EntryPoint) -> Factory:
    try:
        factory = entry.load()
    except ImportError as error:
        raise LoadingError(_missing(entry.name, error)) from error
    except AttributeError as error:
        raise LoadingError(f"the driver {entry.name} has no {entry.value!r}: it is installed wrongly") from error
    if not callable(factory):
        raise LoadingError(f"the driver {entry.name} is installed wrongly: {entry.value!r} cannot be called")
    return cast("Factory", factory)
