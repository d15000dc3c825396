"""
PERSISTENT RESERVE IN and OUT as bytes (SPC-4, 6.15 and 6.16), and what a LUN says of an error. Pure.

What comes from a LUN is checked: an answer that is shorter than it says raises `Malformed`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

IN, OUT = 0x5E, 0x5F
ALLOCATED = 8192  # for an answer: a thousand keys
GOOD, CHECK_CONDITION, BUSY, CONFLICT, TASK_ABORTED = 0x00, 0x02, 0x08, 0x18, 0x40
UNIT_ATTENTION = 0x06
_APTPL = 1


class Malformed(Exception):
    """The LUN's answer is none that the standard knows."""


class Read(IntEnum):
    KEYS = 0
    RESERVATION = 1
    CAPABILITIES = 2
    FULL_STATUS = 3


class Act(IntEnum):
    REGISTER = 0
    RESERVE = 1
    RELEASE = 2
    CLEAR = 3
    PREEMPT = 4
    PREEMPT_AND_ABORT = 5
    REGISTER_AND_IGNORE = 6


class Kind(IntEnum):
    """Types of reservations. Ours is the first: who is registered may write, all may read."""

    WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5
    WRITE_EXCLUSIVE = 1
    EXCLUSIVE_ACCESS = 3
    EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6
    WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7
    EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8


OURS = int(Kind.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)


@dataclass(frozen=True, slots=True)
class Keys:
    """``generation`` counts changes; a target that was restarted may begin anew. One key for each registered nexus."""

    generation: int
    each: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reservation:
    key: int
    kind: int

    @property
    def name(self) -> str:
        try:
            return Kind(self.kind).name.lower().replace("_", " ")
        except ValueError:
            return f"unknown type {self.kind}"


@dataclass(frozen=True, slots=True)
class Held:
    """``reservation``: None where there is none."""

    generation: int
    reservation: Reservation | None


@dataclass(frozen=True, slots=True)
class Registrant:
    """One nexus. ``transport``: the initiator, as its transport names it."""

    key: int
    holder: bool
    kind: int
    transport: bytes


@dataclass(frozen=True, slots=True)
class Abilities:
    """``persists``: it can keep all of it when the power goes; ``persisting``: it does so now."""

    persists: bool
    persisting: bool
    ours: bool  # it has our type of reservation


@dataclass(frozen=True, slots=True)
class Sense:
    key: int
    code: int
    qualifier: int

    def __str__(self) -> str:
        return f"sense {self.key:x}/{self.code:02x}{self.qualifier:02x}"


def read_command(what: Read, allocated: int = ALLOCATED) -> bytes:
    return struct.pack(">BB5xHx", IN, what, allocated)


def act_command(what: Act) -> bytes:
    kind = 0 if what in {Act.REGISTER, Act.REGISTER_AND_IGNORE, Act.CLEAR} else OURS
    return struct.pack(">BBB2xIx", OUT, what, kind, 24)


def act_parameters(own: int, other: int, *, persist: bool = True) -> bytes:
    """``own``: the nexus's registered key, 0 for none. ``other``: its new one, or the one that is preempted."""
    return struct.pack(">QQ4xB3x", own, other, _APTPL if persist else 0)


def keys(answer: bytes) -> Keys:
    generation, length = _head(answer)
    if length % 8:
        raise Malformed(f"a list of keys has {length} bytes")
    return Keys(generation, struct.unpack_from(f">{length // 8}Q", answer, 8))


def reservation(answer: bytes) -> Held:
    generation, length = _head(answer)
    if length == 0:
        return Held(generation, None)
    if length < 16:
        raise Malformed(f"a reservation has {length} bytes")
    key, scope_and_kind = struct.unpack_from(">Q5xB", answer, 8)
    if scope_and_kind >> 4:
        raise Malformed(f"a reservation is of a part of the LUN (scope {scope_and_kind >> 4})")
    return Held(generation, Reservation(key, scope_and_kind & 0xF))


def full_status(answer: bytes) -> tuple[Registrant, ...]:
    _, length = _head(answer)
    found, at, end = list[Registrant](), 8, 8 + length
    while at < end:
        if at + 24 > end:
            raise Malformed("a registrant is cut off")
        key, flags, kind, more = struct.unpack_from(">Q4xBB6xI", answer, at)
        if at + 24 + more > end:
            raise Malformed("a registrant's name is cut off")
        found.append(Registrant(key, bool(flags & 1), kind & 0xF, answer[at + 24 : at + 24 + more]))
        at += 24 + more
    return tuple(found)


def abilities(answer: bytes) -> Abilities:
    if len(answer) < 8:
        raise Malformed(f"the capabilities have {len(answer)} bytes")
    _, can, does, types = struct.unpack_from(">HBBB", answer)
    told = bool(does & 0x80)  # else nothing is said of the types
    return Abilities(bool(can & 1), bool(does & 1), not told or bool(types & 1 << OURS))


def wanted(answer: bytes) -> int:
    """How many bytes the whole answer has."""
    if len(answer) < 8:
        raise Malformed(f"an answer has {len(answer)} bytes")
    return 8 + int(struct.unpack_from(">I", answer, 4)[0])


def sense(raw: bytes) -> Sense:
    """In both formats; one that is neither is `Sense(0, 0, 0)`: no sense."""
    kind = raw[0] & 0x7F if raw else 0
    if kind in {0x72, 0x73} and len(raw) >= 4:
        return Sense(raw[1] & 0xF, raw[2], raw[3])
    if kind in {0x70, 0x71} and len(raw) >= 14:
        return Sense(raw[2] & 0xF, raw[12], raw[13])
    return Sense(0, 0, 0)


def _head(answer: bytes) -> tuple[int, int]:
    length = wanted(answer) - 8
    if 8 + length > len(answer):
        raise Malformed(f"an answer of {8 + length} bytes has only {len(answer)}")
    return int(struct.unpack_from(">I", answer)[0]), length
