"""What a LUN tells of itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controller.reservations.codec import Reservation


@dataclass(frozen=True, slots=True)
class State:
    """Keys and reservation of one moment. A key is there once for each nexus that registered it."""

    keys: tuple[int, ...]
    reservation: Reservation | None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one look tells. ``plate``: the bytes where the nameplate is."""

    size: int
    state: State
    plate: bytes
