"""A connection as a storage driver orders it."""

from __future__ import annotations

from controller.model import Connection, ConnectKind, DiskId, Epoch

KEY = 0xB7FF_FFFF_FF00_0003  # beyond what JSON numbers are kept as everywhere
WWN = "wwn-0x6001405abc"


def connection(disk: str = "lun-1", epoch: int = 3, key: int = KEY, name: str = WWN) -> Connection:
    return Connection(DiskId(disk), ConnectKind.REGISTER_KEY, (name,), key, Epoch(epoch))
