"""
What a user may say in a volume's ``driver_opts``, and what the answer is to anything else. Pure.

| option   | form                                        | default        |
|----------|---------------------------------------------|----------------|
| `size`   | `10GiB`, `10g`, `500MB`, `1.5TiB`, or bytes | none: required |
| `fstype` | `ext4`, `xfs`                               | `ext4`         |
| `policy` | `detach`, `power-off`, `hold`               | the cluster's  |

Single letters and the forms with `i` count in 1024 as `docker` does; `MB`, `GB`, `TB` count in 1000. The size is
rounded up to a whole MiB, which every storage system can make exactly.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from controller.model import FencePolicy, Spec

MIB = 1024**2
MAX_SIZE = 62 * 1024**4  # the largest VMDK; also far above what ext4 and xfs get tested with
_SMALLEST = {"ext4": 16 * MIB, "xfs": 300 * MIB}  # mkfs.xfs refuses less than 300 MB since xfsprogs 6
_OPTIONS = ("size", "fstype", "policy")
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
    size = _parse_size(options["size"])
    fstype = options.get("fstype", "ext4")
    if isinstance(size, BadOptions):
        return size
    smallest = _SMALLEST[fstype]
    if size < smallest:
        return BadOptions(f"size {options['size']!r} is too small for {fstype}: ask for at least {smallest // MIB}MiB")
    policy = options.get("policy")
    return Spec(size_bytes=size, fstype=fstype, policy=FencePolicy(policy) if policy is not None else None)


def difference(options: Mapping[str, str], spec: Spec) -> str | None:
    """
    Why these options cannot be meant for a volume made with ``spec``; None when they agree.

    Only options that are said are compared: an external volume says none.
    """
    if not options:
        return None
    said = parse_options({"size": str(spec.size_bytes)} | dict(options))
    if isinstance(said, BadOptions):
        return said.why
    pairs = (
        ("size", f"{said.size_bytes} bytes", f"{spec.size_bytes} bytes"),
        ("fstype", said.fstype, spec.fstype),
        ("policy", _policy_text(said.policy), _policy_text(spec.policy)),
    )
    differing = [f"{key} is {has} and not {wanted}" for key, wanted, has in pairs if key in options and wanted != has]
    if not differing:
        return None
    return (
        f"the volume exists with other options ({', '.join(differing)}): "
        "correct driver_opts in the stack file, or give the new volume another name"
    )


def _policy_text(policy: FencePolicy | None) -> str:
    return "the cluster's" if policy is None else policy.value


def _problem(options: Mapping[str, str]) -> str | None:
    for key in options:
        if key not in _OPTIONS:
            near = difflib.get_close_matches(key.lower(), _OPTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(_OPTIONS)}"
            return f"unknown driver_opts key {key!r}: {hint}"
    if "size" not in options:
        return "driver_opts has no size: say how large the new volume shall be, for example size: 10GiB"
    fstype = options.get("fstype", "ext4")
    if fstype not in _SMALLEST:
        return f"fstype {fstype!r} is not supported: use {' or '.join(_SMALLEST)}"
    policies = [policy.value for policy in FencePolicy]
    if options.get("policy", policies[0]) not in policies:
        return f"policy {options['policy']!r} is unknown: use {', '.join(policies[:-1])} or {policies[-1]}"
    return None


def _parse_size(text: str) -> int | BadOptions:
    match = _SIZE.fullmatch(text.strip())
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        return BadOptions(f"size {text!r} is not a size: write a number and a unit, for example 10GiB or 500MB")
    size = -(-int(Decimal(match[1]) * factor) // MIB) * MIB
    if size > MAX_SIZE:
        return BadOptions(f"size {text!r} is too large: at most {MAX_SIZE // 1024**4}TiB")
    return size
