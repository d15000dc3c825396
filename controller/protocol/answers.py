"""What a controller answers with: a message, or a rejection with one sentence that says what is wrong and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """The HTTP status codes of the endpoints, by what they mean here."""

    DONE = 200
    PENDING = 202
    BAD = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    MISSING = 404
    CONFLICT = 409
    MISDIRECTED = 421
    FAULT = 500
    UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Rejection:
    status: Status
    why: str


NOBODY_ACTS = Rejection(
    Status.UNAVAILABLE,
    "no controller acts just now: one takes over within 15 seconds, if Swarm's managers have a quorum (`docker node "
    "ls` on a manager says so)",
)


def unavailable(why: object) -> Rejection:
    """What was asked cannot be decided now."""
    return Rejection(Status.UNAVAILABLE, f"{why}; it is tried again by itself")
