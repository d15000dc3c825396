"""What libvirt tells of a guest's addresses: an agent tells all, leases and ARP a part."""

from __future__ import annotations

from typing import Any

from drivers.guests import GuestAddresses
from drivers.libvirt.looking.addresses import cards, joined, of_agent, of_networks

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
MACS = frozenset({MAC})


def interface(mac: str | None, *addresses: str) -> dict[str, Any]:
    """As libvirt's library gives it: nothing is None."""
    return {"hwaddr": mac, "addrs": [{"addr": each, "prefix": 24, "type": 0} for each in addresses] or None}


def test_the_cards_are_those_of_the_vms_xml() -> None:
    xml = (
        f"<domain><devices><interface type='bridge'><mac address='{MAC.upper()}'/></interface>"
        f"<interface type='hostdev'><mac address='{OTHER}'/></interface><disk/></devices></domain>"
    )
    assert cards(xml) == {MAC, OTHER}
    assert cards("<domain><devices/></domain>") == frozenset()


def test_an_agent_tells_all_addresses_of_its_guest() -> None:
    told = {
        "lo": interface("00:00:00:00:00:00", "127.0.0.1"),
        "eth0": interface(MAC.upper(), "10.0.0.3", "fe80::3"),
        "docker0": interface("02:42:00:00:00:01", "172.17.0.1"),
    }
    assert of_agent(told, MACS) == GuestAddresses(("127.0.0.1", "10.0.0.3", "fe80::3", "172.17.0.1"), whole=True)


def test_while_no_card_of_the_vm_has_an_address_the_agent_tells_nothing() -> None:
    """Else a bridge in it would contradict the card's address, which comes later."""
    early = {"eth0": interface(MAC), "docker0": interface("02:42:00:00:00:01", "172.17.0.1"), "tun0": interface(None)}
    assert of_agent(early, MACS) is None
    assert of_agent({}, MACS) is None


def test_a_card_that_was_passed_through_is_not_in_the_xml_and_counts() -> None:
    assert of_agent({"eth0": interface(MAC, "10.0.0.3")}, frozenset()) == GuestAddresses(("10.0.0.3",), whole=True)


def test_leases_and_arp_know_a_part() -> None:
    lease, arp = {"vnet0": interface(MAC, "192.168.122.9")}, {"vnet0": interface(MAC, "192.168.122.9", "10.0.0.3")}
    assert of_networks([lease, arp]) == GuestAddresses(("192.168.122.9", "10.0.0.3"), whole=False)
    assert of_networks([{}, {"vnet0": interface(MAC)}]) is None


def test_what_several_hosts_know_of_one_vm_is_whole_only_if_each_part_is() -> None:
    whole, part = GuestAddresses(("10.0.0.3",), whole=True), GuestAddresses(("10.0.0.4",), whole=False)
    assert joined([None, whole, None]) == whole
    assert joined([whole, part]) == GuestAddresses(("10.0.0.3", "10.0.0.4"), whole=False)
    assert joined([None, None]) is None
