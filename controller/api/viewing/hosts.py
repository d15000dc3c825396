"""
Under which names a browser may read here. Pure.

A page from elsewhere can give its own name this machine's address ("DNS rebinding"), and then counts as the same site:
its scripts could read what is shown here. Nobody outside can own an address, a name without a dot, or this node's.
"""

from __future__ import annotations

import ipaddress

REFUSED = (
    "this is not answered under the name {name!r}: use the node's address, localhost or the node's own name. "
    "A proxy before it sends the address as Host"
)


def trusted(host: str | None, own: frozenset[str]) -> bool:
    """``host``: the request's Host header; without one it came from no browser. ``own``: this node's names."""
    name = _name(host or "").rstrip(".").lower()
    return _is_address(name) or "." not in name or name in own or name.endswith(".localhost")


def _name(host: str) -> str:
    """Without the port; IPv6 addresses come in brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
