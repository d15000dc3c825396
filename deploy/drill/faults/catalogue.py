"""
All faults by name, and which rounds a drill consists of.

A fault is a class in a file of this folder that names itself and says where it can be played (`Simple`): nothing else
has to know of it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from deploy.drill import faults
from deploy.drill.errors import DrillError
from deploy.drill.faults.base import Fault, Simple
from deploy.drill.proxy.call_meaning import STOP_POINTS, stop_point
from deploy.drill.settings import DrillSettings


def _found() -> Iterator[type[Simple]]:
    for module in pkgutil.iter_modules(faults.__path__, f"{faults.__name__}."):
        for each in vars(import_module(module.name)).values():
            if isinstance(each, type) and issubclass(each, Simple) and each.__module__ == module.name and each.named():
                yield each


FAULTS: dict[str, type[Simple]] = {fault.name: fault for fault in _found()}


def kind(text: str) -> type[Simple]:
    """The class behind ``power-off`` or ``leader-kill:before:detach``. Raises DrillError with the names there are."""
    name = text.partition(":")[0]
    if name not in FAULTS:
        raise DrillError(f"there is no fault {name!r}; choose one of {', '.join(sorted(FAULTS))}")
    return FAULTS[name]


def make_fault(text: str) -> Fault:
    """Raises DrillError."""
    found = kind(text)
    name, _, step = text.partition(":")
    if not step:
        return found()
    if not found.stops_at_steps:
        raise DrillError(f"--fault {name} has no steps: leave {step!r} out")
    return found.stopping_at(stop_point(step))


def rounds(settings: DrillSettings) -> tuple[str, ...]:
    """The faults of all rounds, in order."""
    if settings.all_steps:
        return tuple(f"{settings.fault}:{each}" for each in STOP_POINTS) * settings.repeat
    return (*kind(settings.fault).comes_after, settings.fault) * settings.repeat
