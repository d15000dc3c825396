"""Addresses bind a node to a VM where both sides know one that tells something, and refuse nobody else."""

from __future__ import annotations

import pytest

from controller.model import VmId
from controller.reconciler.nodes.elsewhere import address, contradicts, elsewhere, speaks_from
from drivers.guests import GuestAddresses


def guest(*known: str, whole: bool = True) -> GuestAddresses:
    return GuestAddresses(known, whole)


@pytest.mark.parametrize(
    ("seen", "known", "told"),
    [
        ("10.0.0.3", ("10.0.0.3",), True),
        ("10.0.0.3", ("172.17.0.1", "10.0.0.3", "fe80::1"), True),
        ("10.0.0.3", ("10.0.7.7",), False),
        ("10.0.0.3", ("10.0.7.7", "2001:db8::3"), False),
        ("2001:db8::3", ("2001:DB8:0::3",), True),
        ("[2001:db8::3]", ("2001:db8::3%eth0",), True),
        ("2001:db8::3", ("2001:db8::7",), False),
        ("::ffff:10.0.0.3", ("10.0.0.3",), True),
        ("10.0.0.3", ("::ffff:10.0.7.7",), False),
    ],
)
def test_what_swarm_sees_is_compared_with_what_the_hypervisor_knows(
    seen: str, known: tuple[str, ...], told: bool
) -> None:
    assert speaks_from(seen, guest(*known)) is told


@pytest.mark.parametrize("seen", ["", "nonsense", "0.0.0.0", "127.0.0.1", "::", "::1", "169.254.1.1", "fe80::7%eth0"])
def test_an_address_that_says_nothing_of_a_machine_refuses_nobody(seen: str) -> None:
    """Swarm shows 0.0.0.0 or 127.0.0.1 for the manager that answers, by its version."""
    assert speaks_from(seen, guest("10.0.7.7", "2001:db8::7")) is None


@pytest.mark.parametrize(
    "known", ["", "0.0.0.0", "127.0.0.1", "::1", "169.254.1.1", "fe80::7", "224.0.0.1", "2001:db8::7", "10.0.0"]
)
def test_a_vm_of_which_no_such_address_is_known_refuses_nobody(known: str) -> None:
    """An address of the other kind is none either: a card may have both."""
    assert speaks_from("10.0.0.3", guest(known)) is None
    assert speaks_from("10.0.0.3", guest()) is None


@pytest.mark.parametrize(
    "bridge", ["172.17.0.1", "172.18.0.1", "172.31.0.1", "192.168.0.1", "192.168.240.1", "192.168.122.1"]
)
def test_a_bridge_that_each_docker_or_libvirt_makes_proves_nothing(bridge: str) -> None:
    """Neither that it is this VM nor that it is another one."""
    assert speaks_from(bridge, guest(bridge)) is None
    assert speaks_from(bridge, guest("10.0.7.7")) is None
    assert speaks_from("10.0.0.3", guest(bridge)) is None


def test_a_neighbour_of_such_a_bridge_is_a_machine() -> None:
    assert None not in map(address, ("172.17.0.2", "172.16.0.1", "192.168.1.1", "172.32.0.1"))


def test_a_part_of_the_addresses_vouches_and_contradicts_nothing() -> None:
    assert speaks_from("10.0.0.3", guest("10.0.0.3", whole=False)) is True
    assert speaks_from("10.0.0.3", guest("10.0.7.7", whole=False)) is None


def test_people_are_told_both_sides_and_the_way_out_and_the_node_only_its_own() -> None:
    told = elsewhere("host-c", VmId("vm-7"), "10.0.0.3", guest("10.0.7.10", "10.0.7.9", "127.0.0.1"))
    assert "by 10.0.7.9, 10.0.7.10, while Swarm's managers see this node at 10.0.0.3" in told.why
    assert all(each in told.why for each in ('`node_addresses = "any"` in [policy]', "`vms`", "SMBIOS UUID of its own"))
    assert "10.0.7" not in told.answer
    assert all(each in told.answer for each in ("host-c", "vm-7", "10.0.0.3", "`reberth doctor`"))


def test_of_a_guest_with_hundreds_of_addresses_a_few_are_shown() -> None:
    many = guest(*(f"10.1.{number}.1" for number in range(200)), "no address; rm -rf /")
    why = elsewhere("host-c", VmId("vm-7"), "10.0.0.3", many).why
    assert "10.1.5.1, 194 more, while" in why
    assert "rm -rf" not in why


def test_only_a_whole_list_with_an_address_that_tells_something_can_contradict() -> None:
    """Where it cannot, a node whose address Swarm does not know yet need not wait."""
    assert contradicts(guest("127.0.0.1", "10.0.7.7"))
    assert not contradicts(guest("127.0.0.1", "172.17.0.1"))
    assert not contradicts(guest("10.0.7.7", whole=False))
    assert not contradicts(guest())
