"""The messages of the node step (`drivers.nodes`): parts of `Orders` and `Sync`. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from controller.model import Connection, ConnectKind, DiskId, Epoch
from controller.protocol.bounds import Asked, Identifier, Message, Number, Sentence, Word

MOST_ORDERS = 256  # in one message: a node that takes over all volumes of another gets them in one
MOST_BY_ID = 64

Key = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]  # of 64 bits, more than a JSON number surely keeps


class Connect(Message, frozen=True):
    """
    See that this disk may be written from here; among `Orders.disconnects`: that it may not. Said again until the gate
    has answered.

    ``order``: which one it is; said again it is the same one, and is carried out once. ``kind``: of `ConnectKind`; of
    those that the gate said it can (`Sync.kinds`).
    """

    order: Identifier
    disk: Asked
    kind: Word
    by_id: Annotated[tuple[Word, ...], Meta(max_length=MOST_BY_ID)]
    key: Key
    epoch: Number

    def connection(self) -> Connection:
        """Raises ValueError for a kind that this version does not know."""
        return Connection(DiskId(self.disk), ConnectKind(self.kind), self.by_id, int(self.key, 16), Epoch(self.epoch))


class Carried(Message, frozen=True):
    """
    What became of an order. "done": it is so now. "refused": not done, and nothing is under way. "in-doubt": it was
    begun, and the disk does not answer: it may happen yet.
    """

    order: Identifier
    outcome: Literal["done", "refused", "in-doubt"]
    why: Sentence = ""


def connect(order: str, what: Connection) -> Connect:
    return Connect(order, what.disk, what.kind.value, what.by_id, f"{what.key:016x}", what.epoch)
