"""What VMware Tools say of a guest's addresses, on the real types of the vSphere API."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from drivers.guests import GuestAddresses
from drivers.vsphere.client.decode import decode_guest, joined, runs

CARD, OF_THE_GUEST = 4000, -1  # the key of a VM's network card; a bridge has none


def nic(*addresses: str, key: int = CARD) -> Any:
    return vim.vm.GuestInfo.NicInfo(ipAddress=list(addresses), deviceConfigId=key, connected=True)


def told(*cards: Any, **more: Any) -> GuestAddresses | None:
    said = {"runtime.connectionState": "connected", "guest.net": list(cards)}
    return decode_guest(said | {name.replace("__", "."): value for name, value in more.items()})


def test_all_addresses_of_all_cards_and_of_what_is_built_on_them_are_told_once() -> None:
    found = told(
        nic("10.0.0.3", "fe80::3"),
        nic("10.1.0.3", key=CARD + 1),
        nic("172.17.0.1", key=OF_THE_GUEST),
        guest__ipAddress="10.0.0.3",
        guest__toolsRunningStatus="guestToolsRunning",
    )
    assert found == GuestAddresses(("10.0.0.3", "fe80::3", "10.1.0.3", "172.17.0.1"), whole=True)


def test_the_first_address_counts_also_where_it_is_of_no_card() -> None:
    assert told(nic("10.0.0.3"), guest__ipAddress="10.9.0.9") == GuestAddresses(("10.9.0.9", "10.0.0.3"), whole=True)


@pytest.mark.parametrize(
    "cards", [(), (nic(),), (nic(), nic("172.17.0.1", key=OF_THE_GUEST))], ids=["none", "bare", "a bridge alone"]
)
def test_while_no_card_has_an_address_nothing_is_known(cards: tuple[Any, ...]) -> None:
    assert told(*cards) is None


def test_what_vcenter_may_show_from_before_counts_for_nothing() -> None:
    """Its tools do not run, or its host is not seen."""
    assert told(nic("10.0.0.3"), guest__toolsRunningStatus="guestToolsNotRunning") is None
    assert told(nic("10.0.0.3"), runtime__connectionState="disconnected") is None
    assert told(nic("10.0.0.3")) is not None


def test_a_vm_counts_unless_it_is_off() -> None:
    states = ("poweredOn", "suspended", "poweredOff")
    assert [runs({"runtime.powerState": state}) for state in states] == [True, True, False]


def test_of_several_vms_with_one_uuid_all_have_to_be_known() -> None:
    one, two = GuestAddresses(("10.0.0.3",), whole=True), GuestAddresses(("10.0.0.4",), whole=True)
    assert joined([one, two]) == GuestAddresses(("10.0.0.3", "10.0.0.4"), whole=True)
    assert joined([one, None]) is None
    assert joined([]) is None
