"""What the doors answer with: a message, or a refusal with one sentence that says what is wrong and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """The HTTP status codes of controller/wire.py, by what they mean here."""

    DONE = 200
    PENDING = 202
    BAD = 400
    FORBIDDEN = 403
    MISSING = 404
    CONFLICT = 409
    MISDIRECTED = 421
    UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class No:
    """Refused."""

    status: Status
    why: str


def try_later(why: object) -> No:
    """What was asked cannot be decided now."""
    return No(Status.UNAVAILABLE, f"{why}; it is tried again by itself")
