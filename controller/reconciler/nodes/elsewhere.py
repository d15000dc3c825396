"""
Whether a node speaks from the VM that it names, as far as addresses tell. Pure.

Swarm's managers see from which address a node comes. A hypervisor may know those of a VM: from VMware Tools or a guest
agent in it, or from its own network. Whoever names a stranger's VM cannot make that VM tell another address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from controller.model import VmId
from drivers.guests import GuestAddresses

Address = IPv4Address | IPv6Address
_SHOWN = 6  # addresses in a sentence: a guest may have hundreds
# The first address of each network that Docker gives its bridges by itself, and libvirt its own: every machine has it.
_BRIDGES = frozenset(
    ip_address(text)
    for text in (
        *(f"172.{number}.0.1" for number in range(17, 32)),
        *(f"192.168.{number}.1" for number in range(0, 256, 16)),
        "192.168.122.1",
    )
)

Located = Callable[[str, GuestAddresses], bool | None]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """
    Why a node is another machine than the VM that it names. ``why``: for people.

    ``answer``: for the node itself. It may be anybody's, and is not to learn the addresses of other people's machines.
    """

    why: str
    answer: str


def speaks_from(seen: str, guest: GuestAddresses) -> bool | None:
    """
    Whether the address that Swarm sees is one of those that the hypervisor knows; None: that cannot be told.

    A rule like those of planner/rules.py: replaced by tests alone (tests/sim/careless.py). What is of another kind (the
    hypervisor knows IPv6 alone, and the node comes by IPv4) is no contradiction.
    """
    at = address(seen)
    if at is None:
        return None
    others = {each for text in guest.known if (each := address(text)) is not None and each.version == at.version}
    if at in others:
        return True
    return False if others and guest.whole else None


def contradicts(guest: GuestAddresses) -> bool:
    """Whether there is an address at which the guest in that VM is not."""
    return guest.whole and any(address(text) is not None for text in guest.known)


def address(text: str) -> Address | None:
    """None for what is no address, and for one that many machines have: it tells nothing about any of them."""
    try:
        found: Address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    everywhere = found.is_unspecified or found.is_loopback or found.is_link_local or found.is_multicast
    return None if everywhere or found in _BRIDGES else found


def elsewhere(hostname: str, vm: VmId, seen: str, guest: GuestAddresses) -> Elsewhere:
    """The sentences about a node that does not speak from there."""
    said = f"node {hostname} says for the first time that it is VM {vm}, and the hypervisor knows that VM by "
    return Elsewhere(
        f"{said}{_shown(guest)}, while Swarm's managers see this node at {seen}: it is another machine. Look whose it "
        "is; a copied machine needs an SMBIOS UUID of its own. If it is that VM, and its address is translated on the "
        'way (NAT) or not told to the hypervisor, set `node_addresses = "any"` in [policy], and name the swarm\'s VMs '
        "in `vms` of the driver's settings",
        f"{said}other addresses than {seen}, at which Swarm's managers see this node: `reberth doctor` on a manager "
        "says by which ones, and what to do",
    )


def _shown(guest: GuestAddresses) -> str:
    told = {each for text in guest.known if (each := address(text)) is not None}
    found = sorted(told, key=lambda each: (each.version, int(each)))
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return ", ".join([*(str(each) for each in found[:_SHOWN]), *more])
