from __future__ import annotations

import json

import pytest

from controller.model import Power
from drivers.bmc.errors import Unread
from drivers.bmc.redfish_answers import System, Wanted, members, named, power, reset_target, system

A, A_TURNED, B = (
    "00112233-4455-6677-8899-aabbccddeeff",
    "33221100-5544-7766-8899-aabbccddeeff",
    "aaaaaaaa-0000-4000-8000-000000000002",
)
ANY = Wanted(None, None)


def document(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("On", Power.ON),
        ("Off", Power.OFF),
        *((other, Power.UNKNOWN) for other in ("PoweringOff", "PoweringOn", "Paused", "off", "OFF", "Off ", "", None)),
        *((other, Power.UNKNOWN) for other in (False, 0, ["Off"], {"Off": 1})),
    ],
)
def test_only_the_exact_words_count(written: object, meant: Power) -> None:
    assert power(system(document(UUID=A, PowerState=written))) is meant


def test_a_system_without_a_power_state_is_unknown() -> None:
    assert power(system(document(UUID=A))) is Power.UNKNOWN


def test_systems_are_known_by_what_they_tell() -> None:
    found = named({"/1": System(A.upper()), "/2": System(B), "/3": System(None), "/4": System("not settable")}, ANY)
    assert {uuid: where for uuid, (where, _) in found.items()} == {A: "/1", B: "/2"}


def test_two_systems_with_one_uuid_are_refused() -> None:
    with pytest.raises(Unread, match="two systems with the UUID"):
        named({"/1": System(A), "/2": System(A)}, ANY)


def test_a_machine_that_the_settings_name_is_checked_by_what_the_bmc_tells() -> None:
    assert named({"/1": System(B), "/2": System(A_TURNED)}, Wanted(A, None)) == {A: ("/2", System(A_TURNED))}
    with pytest.raises(Unread, match=f"the settings say that it has the machine {A}; .*{B}"):
        named({"/1": System(B)}, Wanted(A, None))


def test_a_system_that_tells_no_uuid_is_believed_only_where_there_is_no_choice() -> None:
    silent = System("00000000-0000-0000-0000-000000000000")
    assert named({"/1": silent}, Wanted(A, "/1")) == {A: ("/1", silent)}
    with pytest.raises(Unread, match="the UUIDs that it tells: none, none"):
        named({"/1": silent, "/2": silent}, Wanted(A, None))


def test_a_list_that_goes_on_elsewhere_is_not_the_whole() -> None:
    one = [{"@odata.id": "/redfish/v1/Systems/1"}]
    assert members(document(Members=one)) == ["/redfish/v1/Systems/1"]
    with pytest.raises(Unread, match="name the one in the settings"):
        members(json.dumps({"Members": one, "Members@odata.nextLink": "/x"}).encode())


@pytest.mark.parametrize("target", ["https://elsewhere.example/x", "//elsewhere.example/x", "x", "/x\r\nHost: y"])
def test_a_document_cannot_send_us_and_our_password_to_another_server(target: str) -> None:
    actions = {"#ComputerSystem.Reset": {"target": target}}
    with pytest.raises(Unread, match="on the same server"):
        reset_target(system(document(UUID=A, Actions=actions)))
    with pytest.raises(Unread, match="on the same server"):
        members(document(Members=[{"@odata.id": target}]))


def test_force_off_is_asked_of_a_system_that_offers_it() -> None:
    def reset(*allowed: str) -> System:
        offer = {"target": "/reset", "ResetType@Redfish.AllowableValues": list(allowed)}
        return system(document(Actions={"#ComputerSystem.Reset": offer}))

    assert reset_target(reset("On", "ForceOff")) == "/reset"
    assert reset_target(system(document(Actions={"#ComputerSystem.Reset": {"target": "/reset"}}))) == "/reset"
    with pytest.raises(Unread, match="no ForceOff, only On, GracefulShutdown"):
        reset_target(reset("On", "GracefulShutdown"))
    with pytest.raises(Unread, match="no action"):
        reset_target(system(document(UUID=A)))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"UUID": 5}', b"null"])
def test_what_is_no_redfish_is_unread(body: bytes) -> None:
    with pytest.raises(Unread, match="is no System as Redfish has it"):
        system(body)
