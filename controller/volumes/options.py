"""
What a user may say in a volume's ``driver_opts``, and what the answer is to anything else. Pure.

| option       | form                                        | default                                 |
|--------------|---------------------------------------------|-----------------------------------------|
| `size`       | `10GiB`, `10g`, `500MB`, `1.5TiB`, or bytes | none: required; of a copy: its source's |
| `fstype`     | `ext4`, `xfs`                               | `ext4`; of a copy: its source's         |
| `policy`     | `detach`, `power-off`, `hold`               | the cluster's                           |
| `clone-from` | name of another volume                      | none: the new volume begins empty       |
| `clone-snapshot` | of that volume's snapshots (`reberth snapshot list`) | none: it is copied as it is now |
| `access`     | `read-write`, `read-only` (of a copy)       | `read-write`                            |

and those of driver_options.py (`diskformat`, `datastore`, `pool`, `storage-policy`), handout_options.py (`uid`,
`gid`, `mode`, `mount-options`, `mkfs-options`), schedules.py (`snapshots`) and labels.py (`label.NAME`).

Single letters and the forms with `i` count in 1024 as `docker` does; `MB`, `GB`, `TB` count in 1000. The size is
rounded up to a whole MiB, which every storage system can make exactly.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from controller.model import (
    FencePolicy,
    Handout,
    Source,
    Spec,
    VolumeName,
    VolumeRecord,
)
from controller.volumes import driver_options, handout_options, labels, schedules
from controller.volumes.copies import to_copy

MIB = 1024**2
MAX_SIZE = 62 * 1024**4  # the largest VMDK; also far above what ext4 and xfs get tested with
_SMALLEST = {"ext4": 16 * MIB, "xfs": 300 * MIB}  # mkfs.xfs refuses less than 300 MB since xfsprogs 6
CLONE_FROM, CLONE_SNAPSHOT = "clone-from", "clone-snapshot"
ACCESS, READ_ONLY = "access", "read-only"
_ACCESSES = ("read-write", READ_ONLY)
_OPTIONS = (
    "size",
    "fstype",
    "policy",
    CLONE_FROM,
    CLONE_SNAPSHOT,
    ACCESS,
    *driver_options.OPTIONS,
    *handout_options.OPTIONS,
    schedules.SNAPSHOTS,
)
_PLACED = "no driver of this version has it: leave it out"
_ELSEWHERE = {  # of the vSphere Docker Volume Service, and of drivers like it
    **dict.fromkeys(
        ("ro", "read-only", "readonly"),
        "say it at the mount (`:ro`, or `read_only: true`), or of a copy `access: read-only`",
    ),
    "attach-as": _PLACED,
}
_EMPTY_FOR_EVER = (
    "access: read-only is for a copy (clone-from), as a new volume is empty and would stay so: name the volume to "
    "copy; for a service that only reads what others write say it at its mount (`:ro`, or `read_only: true`)"
)
_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)\s*([a-z]{0,3})", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    spelling: base**power
    for power, letter in enumerate("kmgt", start=1)
    for spelling, base in ((letter, 1024), (f"{letter}ib", 1024), (f"{letter}b", 1000))
}


@dataclass(frozen=True, slots=True)
class BadOptions:
    """The options cannot be used; ``why`` is one sentence and names the cure."""

    why: str


def parse_options(options: Mapping[str, str]) -> Spec | BadOptions:
    """``driver_opts`` as Docker sends them -> Spec."""
    return _parsed(tuple(options.items()))


@functools.lru_cache(maxsize=4096)  # the same few texts are read for every task in every look
def _parsed(items: tuple[tuple[str, str], ...]) -> Spec | BadOptions:
    options = dict(items)
    problem = _problem(options)
    if problem is not None:
        return BadOptions(problem)
    options = dict(driver_options.canonical(options))
    size = _parse_size(options["size"])
    fstype = options.get("fstype", "ext4")
    if isinstance(size, BadOptions):
        return size
    smallest = _SMALLEST[fstype]
    if size < smallest:
        return BadOptions(f"size {options['size']!r} is too small for {fstype}: ask for at least {smallest // MIB}MiB")
    policy = options.get("policy")
    fence = FencePolicy(policy) if policy is not None else None
    said = labels.labels(options)
    read_only = options.get(ACCESS) == READ_ONLY
    return Spec(
        size,
        fstype,
        fence,
        handout=handout_options.handout(options),
        labels=said,
        for_driver=driver_options.said(options),
        read_only=read_only,
        schedule=schedules.schedule(options),
    )


def parse_size(text: str, fstype: str) -> int | BadOptions:
    """Bytes, in whole MiB, as ``size`` of a volume with this file system."""
    found = parse_options({"size": text, "fstype": fstype})
    return found if isinstance(found, BadOptions) else found.size_bytes


def parse_new(options: Mapping[str, str]) -> Spec | BadOptions:
    """The spec of a volume that begins empty."""
    spec = parse_options(options)
    return BadOptions(_EMPTY_FOR_EVER) if isinstance(spec, Spec) and spec.read_only else spec


def unusable(options: Mapping[str, str]) -> str | None:
    """Why no volume can be made with these options, as far as they alone tell; None when they may do."""
    copy = CLONE_FROM in options
    found = parse_options({"size": str(_SMALLEST["xfs"])} | dict(options)) if copy else parse_new(options)
    return found.why if isinstance(found, BadOptions) else None


def copied_from(options: Mapping[str, str]) -> VolumeName | None:
    """The volume whose copy is asked for."""
    name = options.get(CLONE_FROM)
    return VolumeName(name) if name else None


def parse_copy(options: Mapping[str, str], name: VolumeName, source: VolumeRecord | None) -> Spec | BadOptions:
    """The spec of a volume ``name`` that begins as a copy. ``source``: the record of the volume that is named."""
    origin = copied_from(options)
    if origin == name:
        return BadOptions("clone-from names the volume itself: name another volume to copy, or say a size instead")
    if source is None:
        return BadOptions(f"there is no volume {origin} to copy: correct clone-from, or make that volume first")
    found = to_copy(source, options.get(CLONE_SNAPSHOT, ""))
    if isinstance(found, str):
        return BadOptions(found)
    disk, size, fstype = *found, source.spec.fstype
    spec = parse_options({"size": str(size), "fstype": fstype} | dict(options))
    if isinstance(spec, BadOptions):
        return spec
    if (spec.size_bytes, spec.fstype) != (size, fstype):
        return BadOptions(
            f"a copy has the size and file system of its source, and volume {source.name} has {size} bytes and "
            f"{fstype}: leave size and fstype out"
        )
    return replace(
        spec,
        source=Source(source.name, disk, source.carries, source.fs_uuid),
        from_snapshot=options.get(CLONE_SNAPSHOT, ""),
    )


def wished_size(options: Mapping[str, str], spec: Spec) -> int:
    """Bytes that are asked for, where that is no size that the volume was made with or has grown through; else 0."""
    said = parse_options({"size": str(spec.size_bytes)} | dict(options))
    if isinstance(said, BadOptions) or spec.made_bytes <= said.size_bytes <= spec.size_bytes:
        return 0
    return said.size_bytes


def difference(options: Mapping[str, str], spec: Spec, *, sized: bool = True) -> str | None:
    """
    Why these options cannot be meant for a volume made with ``spec``; None when they agree.

    Only options that are said are compared: an external volume says none. ``sized``: whether a size is.
    """
    if not options:
        return None
    said = parse_options({"size": str(spec.size_bytes)} | dict(options))
    if isinstance(said, BadOptions):
        return said.why
    options = {key: text for key, text in driver_options.canonical(options).items() if sized or key != "size"}
    pairs = _pairs(options, said, spec)
    differing = [f"{key} is {has} and not {wanted}" for key, wanted, has in pairs if key in options and wanted != has]
    return _told(differing, larger=said.size_bytes > spec.size_bytes) if differing else None


def _told(differing: list[str], *, larger: bool) -> str:
    how = "; to make it larger: `reberth grow` on a manager, and then the stack file" if larger else ""
    return (
        f"the volume exists with other options ({', '.join(differing)}): "
        f"correct driver_opts in the stack file, or give the new volume another name{how}"
    )


def _pairs(options: Mapping[str, str], said: Spec, spec: Spec) -> tuple[tuple[str, str, str], ...]:
    """Option, as wanted, as it is."""
    # A stack file may say the size that the volume was made with, or that it has grown to, or one between.
    asked = said.size_bytes if not spec.made_bytes <= said.size_bytes <= spec.size_bytes else spec.size_bytes
    pairs: tuple[tuple[str, str, str], ...] = (
        ("size", f"{asked} bytes", f"{spec.size_bytes} bytes"),
        ("fstype", said.fstype, spec.fstype),
        ("policy", _policy_text(said.policy), _policy_text(spec.policy)),
        (CLONE_FROM, options.get(CLONE_FROM, ""), _origin(options, spec.source)),
        (CLONE_SNAPSHOT, options.get(CLONE_SNAPSHOT, ""), spec.from_snapshot or "the volume itself"),
        (ACCESS, _ACCESSES[said.read_only], _ACCESSES[spec.read_only]),
    )
    pairs += _handout_pairs(options, spec.handout)
    made = dict(spec.for_driver)
    return (*pairs, *((key, value, made.get(key, "the driver's settings'")) for key, value in said.for_driver))


def _origin(options: Mapping[str, str], source: Source | None) -> str:
    """What it is a copy of. How a disk began that was adopted, nobody knows: it agrees with whatever is said."""
    if source is None:
        return "nothing"
    return options.get(CLONE_FROM, "") if source.adopted else source.volume


def _handout_pairs(options: Mapping[str, str], found: Handout) -> tuple[tuple[str, str, str], ...]:
    """Option, as wanted, as it is."""
    wanted, has = handout_options.texts(handout_options.handout(options)), handout_options.texts(found)
    return tuple((key, wanted[key] or "nothing", has[key] or "nothing") for key in handout_options.OPTIONS)


def _policy_text(policy: FencePolicy | None) -> str:
    return "the cluster's" if policy is None else policy.value


def _problem(options: Mapping[str, str]) -> str | None:
    for key in options:
        if key not in _OPTIONS and key not in driver_options.ALIASES and not labels.is_label(key):
            return f"unknown driver_opts key {key!r}: {_hint(key.lower())}"
    modules = (handout_options, driver_options, labels, schedules)
    return _core_problem(options) or next((why for each in modules if (why := each.problem(options))), None)


def _core_problem(options: Mapping[str, str]) -> str | None:
    if options.get(CLONE_FROM) == "":
        return "clone-from is empty: name the volume to copy, or leave it out"
    if CLONE_SNAPSHOT in options and CLONE_FROM not in options:
        return "clone-snapshot says which snapshot of a volume is copied: name that volume in clone-from"
    if "size" not in options:
        return "driver_opts has no size: say how large the new volume shall be, for example size: 10GiB"
    fstype = options.get("fstype", "ext4")
    if fstype not in _SMALLEST:
        return f"fstype {fstype!r} is not supported: use {' or '.join(_SMALLEST)}"
    policies = [policy.value for policy in FencePolicy]
    if options.get("policy", policies[0]) not in policies:
        return f"policy {options['policy']!r} is unknown: use {', '.join(policies[:-1])} or {policies[-1]}"
    if options.get(ACCESS, READ_ONLY) not in _ACCESSES:
        return f"access {options[ACCESS]!r} is unknown: use {' or '.join(_ACCESSES)}"
    return None


def _hint(key: str) -> str:
    if key in _ELSEWHERE:
        return _ELSEWHERE[key]
    near = difflib.get_close_matches(key, _OPTIONS, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(_OPTIONS)}, label.NAME"


def _parse_size(text: str) -> int | BadOptions:
    match = _SIZE.fullmatch(text.strip())
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        return BadOptions(f"size {text!r} is not a size: write a number and a unit, for example 10GiB or 500MB")
    if not match[2] and 0 < Decimal(match[1]) < MIB:
        return BadOptions(f"size {text!r} has no unit, so it would be bytes: write {match[1]}GiB, or another unit")
    size = -(-int(Decimal(match[1]) * factor) // MIB) * MIB
    if size > MAX_SIZE:
        return BadOptions(f"size {text!r} is too large: at most {MAX_SIZE // 1024**4}TiB")
    return size
