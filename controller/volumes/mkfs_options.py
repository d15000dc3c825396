"""
How a volume's file system is made, as ``driver_opts`` say it: ``mkfs-options: inode-ratio=65536,reserved=0``. Pure.

A safe list, not mkfs's own words: nothing that names a device, a size, a feature that an older kernel on the next node
lacks, or whether the journal and the checks are there. Each has its bounds here, and the gate knows no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MKFS_OPTIONS = "mkfs-options"


@dataclass(frozen=True, slots=True)
class _Known:
    """``arguments``: of mkfs, with the number in place of ``{}``."""

    fstype: str
    least: int
    most: int
    arguments: tuple[str, ...]


_KNOWN = {
    "inode-ratio": _Known("ext4", 4096, 2**26, ("-i", "{}")),  # bytes for each inode: fewer files, more room
    "reserved": _Known("ext4", 0, 50, ("-m", "{}")),  # per cent that only root may fill
    "maxpct": _Known("xfs", 1, 100, ("-i", "maxpct={}")),  # per cent that inodes may take
}


def problem(options: Mapping[str, str]) -> str | None:
    """What cannot be meant, with the cure."""
    words = split(options)
    if words and "clone-from" in options:
        return f"{MKFS_OPTIONS} is for a volume that begins empty: a copy has its source's file system; leave it out"
    names = [word.partition("=")[0] for word in words]
    if len(set(names)) < len(names):
        return f"{MKFS_OPTIONS} says one thing twice: {','.join(words)}"
    return next((why for word in words if (why := _refusal(word, options.get("fstype", "ext4"))) is not None), None)


def _refusal(word: str, fstype: str) -> str | None:
    name, _, number = word.partition("=")
    known = _KNOWN.get(name)
    if known is None or known.fstype != fstype:
        allowed = ", ".join(f"{each}=NUMBER" for each, one in _KNOWN.items() if one.fstype == fstype)
        return f"mkfs option {word!r} is not among those allowed for {fstype}: {allowed}"
    if _number(number, known) is None:
        return f"mkfs option {word!r}: {name} is a number from {known.least} to {known.most}"
    return None


def _number(text: str, known: _Known) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(known.most))):
        return None
    return int(text) if known.least <= int(text) <= known.most else None


def split(options: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(each.strip() for each in options.get(MKFS_OPTIONS, "").split(",") if each.strip()))


def arguments(fstype: str, words: Iterable[str]) -> tuple[str, ...]:
    """Of mkfs, for those words that are allowed, whoever says others."""
    found: list[str] = []
    for word in words:
        if _refusal(word, fstype) is None:
            name, _, number = word.partition("=")
            found += [each.format(int(number)) for each in _KNOWN[name].arguments]
    return tuple(found)
