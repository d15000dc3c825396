"""What the helper says of Ceph, as what we need of it (formats of Ceph 16). Pure; anything odd is a Doubt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.libvirt.faults import Fault, Kind
from drivers.shared.faults import CallError, Doubt

# A fence that ends is no fence: a client that was frozen for longer goes on writing. Ceph keeps times up to 2106.
FENCE_SECONDS = 1_000_000_000
LONG = timedelta(days=3650)  # an entry that ends sooner was not made by us, and does not count

NOTE = "reberth_client_"  # begins a key of an image's metadata; the client's address follows

# errno: for sure not done
_KINDS = {
    1: Kind.DENIED,
    2: Kind.NO_VOLUME,
    13: Kind.DENIED,
    16: Kind.BUSY,
    17: Kind.EXISTS,
    22: Kind.OTHER,
    28: Kind.OTHER,
    30: Kind.STATE,
}


def failed(code: int, said: str, what: str) -> CallError:
    """No answer of the cluster (110), our own address on the blocklist (108), what is odd: all may be done."""
    if code in _KINDS:
        return Fault(_KINDS[code], f"Ceph refused `{what}`: {said}")
    return Doubt(f"Ceph gave no answer to `{what}`: {said or f'error {code}'}")


def addresses(told: Iterable[object]) -> list[str]:
    return [_address(str(each)) for each in told]


def noted(keys: Iterable[object]) -> list[str]:
    """Of all that had the image open before a grant; ``keys``: of the image's metadata."""
    return [str(each).removeprefix(NOTE) for each in keys if str(each).startswith(NOTE)]


def _address(address: str) -> str:
    """``IP:PORT/NONCE``: of one client; a process that is started again has another nonce."""
    if address.count("/") != 1 or not address.rpartition("/")[2].isdigit():
        raise Doubt(f"Ceph tells a client's address as {address!r}: that is not understood")
    return address


@dataclass(frozen=True, slots=True)
class Blocklist:
    """Address -> end of the entry."""

    entries: Mapping[str, datetime]

    def holds(self, address: str, now: datetime) -> bool:
        """Whether this client cannot write for as long as it lives."""
        return self.entries.get(address, now) - now > LONG


def blocklist(text: str) -> Blocklist:
    """Two arrays, one after the other: addresses, and ranges, which do not count here."""
    start = text.lstrip()
    try:
        entries, _ = json.JSONDecoder().raw_decode(start)
        return Blocklist({str(each["addr"]): datetime.fromisoformat(_zoned(each["until"])) for each in entries})
    except (ValueError, KeyError, TypeError) as error:
        raise Doubt(f"Ceph's blocklist is not understood: {error}") from None


def _zoned(until: str) -> str:
    return until if until[-5:-4] in {"+", "-"} else f"{until}+0000"
