"""
Options of a volume that mean something to some storage drivers only. Pure.

A driver declares those that it takes, with their values (`drivers.base.Optioned`); whoever asks for another one, or for
a value that the driver does not have, is refused before anything is made. They are kept with the volume as they were
said, and win over the driver's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.model import DriverOption, Spec

DISKFORMAT, DATASTORE, POOL, STORAGE_POLICY = "diskformat", "datastore", "pool", "storage-policy"
OPTIONS = (DISKFORMAT, DATASTORE, POOL, STORAGE_POLICY)
"""All that a driver may declare: a stack file must mean the same to everybody who reads it."""
ALIASES = {"vsan-policy-name": STORAGE_POLICY}
"""As the vSphere Docker Volume Service called them."""
_PLACES = (DATASTORE, POOL)


def canonical(options: Mapping[str, str]) -> Mapping[str, str]:
    """Each by the one name under which it is kept."""
    if not ALIASES.keys() & options.keys():
        return options
    return {ALIASES.get(key, key): text for key, text in options.items()}


def problem(options: Mapping[str, str]) -> str | None:
    """What cannot be meant, with the cure."""
    for other, key in ALIASES.items():
        if key in options and options.get(other, options[key]) != options[key]:
            return f"{key} and {other} are one option, and say two things: leave one out"
    empty = next((key for key in (*OPTIONS, *ALIASES) if key in options and not options[key].strip()), None)
    return None if empty is None else f"{empty} is empty: say a name, or leave it out"


def said(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, options[key]) for key in OPTIONS if key in options)


def with_place(name: str, options: Mapping[str, str], declared: Iterable[DriverOption]) -> Mapping[str, str]:
    """
    The options, with what a name like ``data@SAN2`` says of the place of its disk, as vDVS's names did.

    Of a driver that declares no such option it is a name like any other.
    """
    key = next((each.key for each in declared if each.key in _PLACES), None)
    place = _place_of(name)
    return options if key is None or place is None or key in options else {**options, key: place}


def _place_of(name: str) -> str | None:
    before, _, after = name.rpartition("@")
    return after if before and after else None


def refusal(spec: Spec, declared: Iterable[DriverOption], name: str = "") -> str | None:
    """Why this storage driver makes no such volume, with the cure. ``name``: the volume's."""
    known = {each.key: each for each in declared}
    for key, value in spec.for_driver:
        if key not in known:
            return f"this storage driver has no option {key}: leave it out"
        if known[key].values and value not in known[key].values:
            return f"{key} {value!r} is unknown: use {' or '.join(known[key].values)}"
        if key in _PLACES and _place_of(name) not in {None, value}:
            return f"the volume's name says {key} {_place_of(name)}, and its options say {value}: say one of them"
        if spec.source is not None and not known[key].copies:
            return f"{key} cannot be chosen for a copy, whose disk is made like its source's: leave it out"
    return None
