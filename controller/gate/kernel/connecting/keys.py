"""A connection by a SCSI-3 reservation key of this node's own. Blocks."""

from __future__ import annotations

from pathlib import Path

from controller.gate.kernel.connecting.connector import Word
from controller.gate.kernel.device import BY_ID
from controller.model import Connection
from controller.reservations import registering
from controller.reservations.registering import NotRegistered, Registered


class KeyRegistrar:
    def __init__(self, by_id: Path = BY_ID) -> None:
        self._by_id = by_id

    def connect(self, what: Connection, *, anew: bool) -> Word:
        return _word(registering.register(what.by_id, what.key, self._by_id, anew=anew))

    def disconnect(self, what: Connection) -> Word:
        return _word(registering.unregister(what.by_id, what.key, self._by_id))


def _word(said: registering.Word) -> Word:
    if isinstance(said, Registered):
        return Word("done")
    return Word("refused" if isinstance(said, NotRegistered) else "in-doubt", said.why)
