"""From what a call ended in to what the contract says of it, for every driver. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from drivers.base import DriverError, InDoubt, Refused, Unreachable
from drivers.shared.faults import CallError, Doubt, Fault

Failure = Refused | Unreachable | InDoubt


def failure(error: CallError) -> Failure:
    """Of a call that should have changed something."""
    if isinstance(error, Fault) and not error.in_doubt:
        return Refused(str(error), error.pause)
    return InDoubt(str(error)) if isinstance(error, Doubt | Fault) else Unreachable(str(error))


def not_begun(error: CallError) -> Unreachable:
    """Of what had to be read first: nothing was asked for yet."""
    return Unreachable(f"not tried: {error}")


@contextmanager
def reading(what: str = "") -> Iterator[None]:
    """For the reading methods. ``what`` begins the sentence: "the power states cannot be read"."""
    try:
        yield
    except CallError as error:
        # From None: the frames of a client library may hold a password.
        raise DriverError(f"{what}: {error}" if what else str(error)) from None
