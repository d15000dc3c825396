"""
Answers with hundreds of VMs, of which hardly one has changed: decode only what is not known byte for byte. Pure.

The whole answer is asked for and read each time, so a look says what vCenter says now. Decoding it would cost some
twenty times as much processor time as reading it and finding each object's text among those of the last look. Of a
text only a digest is kept: thousands of VMs are tens of MiB of text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from drivers.shared.faults import Doubt

T = TypeVar("T")
# RetrievePropertiesEx's list of objects. Text in values is escaped, so nothing else looks like this.
_BEGIN, _END = re.compile(rb"<objects[ >]"), b"</objects>"


class Sieve(Generic[T]):
    """What the texts of the last look were decoded to. For one kind of look; may be used by several threads."""

    def __init__(self) -> None:
        self._known: Mapping[bytes, T] = {}

    def look(self) -> Sifting[T]:
        return Sifting(self._known)

    def keep(self, sifted: Sifting[T]) -> tuple[T, ...]:
        """All objects of a look, in order; the next look decodes none of them again. Raises Doubt."""
        if not sifted.recognized:
            return sifted.decoded
        self._known = sifted.found()
        return tuple(self._known.values())


class Sifting(Generic[T]):
    """One look: its answer may come in several pages."""

    def __init__(self, known: Mapping[bytes, T]) -> None:
        self._known = known
        self._texts: list[bytes] = []
        self._decoded: list[T] = []

    @property
    def recognized(self) -> bool:
        """False for answers in another spelling of XML, with a prefix for instance: those are decoded whole."""
        return bool(self._texts)

    @property
    def decoded(self) -> tuple[T, ...]:
        return tuple(self._decoded)

    def shorten(self, body: bytes) -> bytes:
        """A page without the objects that are known."""
        *pieces, rest = body.split(_END)  # many times faster than one expression for begin and end
        return b"".join([*map(self._leave, pieces), rest])

    def _leave(self, piece: bytes) -> bytes:
        begin = _BEGIN.search(piece)
        if begin is None:
            raise Doubt("an object of the answer has no beginning: is this really vCenter or ESXi?")
        text = piece[begin.start() :] + _END
        digest = hashlib.blake2b(text, digest_size=20).digest()
        self._texts.append(digest)
        return piece[: begin.start()] + (b"" if digest in self._known else text)

    def add(self, value: T) -> None:
        """The next object that was decoded."""
        self._decoded.append(value)

    def found(self) -> dict[bytes, T]:
        fresh = [text for text in self._texts if text not in self._known]
        if len(fresh) != len(self._decoded):
            raise Doubt("the answer has other objects than its text: is this really vCenter or ESXi?")
        decoded = iter(self._decoded)
        return {text: self._known[text] if text in self._known else next(decoded) for text in self._texts}
