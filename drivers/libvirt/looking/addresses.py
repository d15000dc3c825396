"""
What libvirt tells of a guest's addresses: from its agent, or from what is heard on the networks. Pure.

The agent tells all. Leases and a host's ARP table know some: a card may have more, or another one since; and whoever is
on that network can write into them. So they vouch for a guest, and contradict nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from drivers.guests import GuestAddresses

Told = Mapping[str, Mapping[str, Any]]  # as the library gives it, by the names of interfaces


def cards(text: str) -> frozenset[str]:
    """The MAC addresses of a VM's network cards, from its XML. Raises ET.ParseError."""
    found = ET.fromstring(text).iterfind("devices/interface/mac")  # noqa: S314
    return frozenset(each.get("address", "").lower() for each in found)


def of_agent(told: Told, macs: frozenset[str]) -> GuestAddresses | None:
    """None while no card of the VM's has an address. A VM without such (it has one passed through) tells all it has."""
    addressed = {_mac(each) for each in told.values() if each.get("addrs")}
    if not addressed or (macs and not addressed & macs):
        return None
    return GuestAddresses(tuple(_texts(told)), whole=True)


def of_networks(answers: Sequence[Told]) -> GuestAddresses | None:
    found = tuple(dict.fromkeys(text for told in answers for text in _texts(told)))
    return GuestAddresses(found, whole=False) if found else None


def joined(found: Sequence[GuestAddresses | None]) -> GuestAddresses | None:
    """What several hosts know of one VM."""
    known = [each for each in found if each is not None]
    texts = tuple(text for each in known for text in each.known)
    return GuestAddresses(texts, whole=all(each.whole for each in known)) if known else None


def _mac(interface: Mapping[str, Any]) -> str:
    return str(interface.get("hwaddr") or "").lower()


def _texts(told: Told) -> Iterator[str]:
    for each in told.values():
        yield from (str(entry["addr"]) for entry in each.get("addrs") or ())
