"""
Our reservation keys: 64 bits that say whose they are and under which epoch. Pure.

    8 bits kind | 32 bits who | 24 bits epoch

A node's key holds a digest of its VM's UUID, so that one key stands for all of a node's paths. A pool's key is a
controller's: 16 bits of the pool's name, and 16 that are another controller's each, so that two of them are never taken
for one. A pool's key holds the reservation; nodes are only registered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from controller.model import Epoch, VmId

_NODE, _POOL = 0xB7, 0xB8
MOST_EPOCHS = 1 << 24


@dataclass(frozen=True, slots=True)
class NodeKey:
    """``who``: of `who_is`."""

    who: int
    epoch: Epoch

    @property
    def number(self) -> int:
        return _packed(_NODE, self.who, self.epoch)


@dataclass(frozen=True, slots=True)
class PoolKey:
    """``instance``: of one controller's process, any 16 bits."""

    pool: int
    instance: int
    epoch: Epoch

    @property
    def number(self) -> int:
        return _packed(_POOL, self.pool << 16 | self.instance, self.epoch)


Key = NodeKey | PoolKey


def parse(number: int) -> Key | None:
    """None: it is none of ours."""
    kind, who, epoch = number >> 56, number >> 24 & 0xFFFFFFFF, Epoch(number & MOST_EPOCHS - 1)
    if kind == _NODE:
        return NodeKey(who, epoch)
    return PoolKey(who >> 16, who & 0xFFFF, epoch) if kind == _POOL else None


def who_is(vm: VmId) -> int:
    return _digest(f"node {vm}", 4)


def pool_number(name: str) -> int:
    return _digest(f"pool {name}", 2)


def shown(number: int) -> str:
    """As `sg_persist` writes it."""
    return f"{number:#x}"


def _packed(kind: int, who: int, epoch: Epoch) -> int:
    """Raises ValueError."""
    if not 0 <= epoch < MOST_EPOCHS:
        raise ValueError(f"the epoch {epoch} does not fit into a reservation key: it has to be less than {MOST_EPOCHS}")
    return kind << 56 | who << 24 | epoch


def _digest(text: str, length: int) -> int:
    return int.from_bytes(hashlib.sha256(f"reberth {text}".encode()).digest()[:length], "big")
