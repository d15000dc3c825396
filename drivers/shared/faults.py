"""What a call to a storage system can end in beside an answer, for every driver. Pure."""

from __future__ import annotations


class CallError(Exception):
    """No good answer. Its text is for people."""


class NotSent(CallError):
    """No connection, or too many calls without an answer: the call cannot have had an effect."""


class Doubt(CallError):
    """The call was sent and not answered."""


class Fault(CallError):
    """
    The storage system's own answer: an error. Each driver adds a kind, told by the type or number of the error.

    ``in_doubt``: what was asked for may have happened all the same, or may happen yet. ``pause``: seconds to be left
    alone.
    """

    @property
    def in_doubt(self) -> bool:
        return False

    @property
    def pause(self) -> float | None:
        return None
