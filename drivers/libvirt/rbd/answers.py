"""What the programs `ceph` and `rbd` say, as what we need of it (formats of Ceph 16). Pure; anything odd is a Doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from drivers.libvirt.faults import Fault, Kind
from drivers.shared.faults import CallError, Doubt

# A fence that ends is no fence: a client that was frozen for longer goes on writing. Ceph keeps times up to 2106.
FENCE_SECONDS = 1_000_000_000
LONG = timedelta(days=3650)  # an entry that ends sooner was not made by us, and does not count

NOTE = "reberth_client_"  # begins a key of an image's metadata; the client's address follows

# errno, of which a program's exit code is: for sure not done
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
    """No answer of the cluster (110), our own address on the blocklist (108), a killed program: all may be done."""
    if code in _KINDS:
        return Fault(_KINDS[code], f"Ceph refused `{what}`: {said}")
    return Doubt(f"Ceph gave no answer to `{what}`: {said or f'it ended with {code}'}")


def images(text: str) -> list[str]:
    return [str(each) for each in _json(text)]


def size(text: str) -> int:
    return int(_json(text)["size"])


def watchers(text: str) -> list[str]:
    """Addresses of all that have the image open for writing, also of some that died within the last 30 s."""
    return [_address(each) for each in _json(text)["watchers"]]


def lockers(text: str) -> list[str]:
    """Of the one that holds the image's lock: it may write, also where it is no watcher any more."""
    return [_address(each) for each in _json(text)]


def noted(text: str) -> list[str]:
    """Of all that had the image open before a grant. Ceph says nothing where an image has no metadata."""
    found = _json(text) if text.strip() else {}
    return [str(each).removeprefix(NOTE) for each in found if str(each).startswith(NOTE)]


def _address(entry: Mapping[str, Any]) -> str:
    """``IP:PORT/NONCE``: of one client; a process that is started again has another nonce."""
    address = str(entry["address"])
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


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Doubt(f"Ceph's answer is not understood: {error}") from None
