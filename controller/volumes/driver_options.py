"""
Options of a volume that mean something to some storage drivers only. Pure.

A driver declares those that it takes, with their values (`drivers.base.Optioned`); whoever asks for another one, or for
a value that the driver does not have, is refused before anything is made. They are kept with the volume as they were
said, and win over the driver's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.model import DriverOption, Spec

DISKFORMAT = "diskformat"
OPTIONS = (DISKFORMAT,)
"""All that a driver may declare: a stack file must mean the same to everybody who reads it."""


def said(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, options[key]) for key in OPTIONS if key in options)


def refusal(spec: Spec, declared: Iterable[DriverOption]) -> str | None:
    """Why this storage driver makes no such volume, with the cure."""
    known = {each.key: each for each in declared}
    for key, value in spec.for_driver:
        if key not in known:
            return f"this storage driver has no option {key}: leave it out"
        if value not in known[key].values:
            return f"{key} {value!r} is unknown: use {' or '.join(known[key].values)}"
        if spec.source is not None:
            return f"{key} cannot be chosen for a copy, whose disk is made like its source's: leave it out"
    return None
