"""PERSISTENT RESERVE IN and OUT byte for byte, and answers that are none."""

from __future__ import annotations

import struct

import pytest

from controller.reservations import codec
from controller.reservations.codec import Act, Held, Keys, Malformed, Read, Registrant, Reservation, Sense

OWN, OTHER = 0xB800000000000001, 0xB700000000000002


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (codec.read_command(Read.KEYS), "5e 00 00 00 00 00 00 20 00 00"),
        (codec.read_command(Read.FULL_STATUS, 0xFFFF), "5e 03 00 00 00 00 00 ff ff 00"),
        (codec.act_command(Act.REGISTER), "5f 00 00 00 00 00 00 00 18 00"),
        (codec.act_command(Act.RESERVE), "5f 01 05 00 00 00 00 00 18 00"),
        (codec.act_command(Act.PREEMPT_AND_ABORT), "5f 05 05 00 00 00 00 00 18 00"),
        (codec.act_command(Act.CLEAR), "5f 03 00 00 00 00 00 00 18 00"),
    ],
)
def test_a_command_is_as_the_standard_has_it(command: bytes, expected: str) -> None:
    assert command == bytes.fromhex(expected)


def test_parameters_name_both_keys_and_ask_for_persistence() -> None:
    """APTPL, byte 20: one registration without it would turn it off for all."""
    assert codec.act_parameters(OWN, OTHER) == struct.pack(">QQ", OWN, OTHER) + bytes.fromhex("0000000001000000")
    assert codec.act_parameters(OWN, OTHER, persist=False)[20] == 0


def test_keys_are_read_one_for_each_nexus() -> None:
    answer = struct.pack(">IIQQ", 5, 16, OWN, OWN) + bytes(100)
    assert codec.keys(answer) == Keys(5, (OWN, OWN))
    assert codec.keys(struct.pack(">II", 5, 0)) == Keys(5, ())


def test_a_reservation_is_read_with_its_type_or_there_is_none() -> None:
    answer = struct.pack(">IIQ4xBB2x", 5, 16, OWN, 0, 0x05)
    assert codec.reservation(answer) == Held(5, Reservation(OWN, codec.OURS))
    assert codec.reservation(struct.pack(">II", 5, 0)) == Held(5, None)
    assert Reservation(OWN, 7).name == "write exclusive all registrants"
    assert Reservation(OWN, 9).name == "unknown type 9"


def test_registrants_are_read_with_the_names_of_their_initiators() -> None:
    one = struct.pack(">Q4xBB4xHI", OWN, 1, 5, 1, 8) + b"iqn.a\0\0\0"
    two = struct.pack(">Q4xBB4xHI", OTHER, 0, 0, 1, 4) + b"iqn\0"
    assert codec.full_status(struct.pack(">II", 5, len(one + two)) + one + two) == (
        Registrant(OWN, True, 5, b"iqn.a\0\0\0"),
        Registrant(OTHER, False, 0, b"iqn\0"),
    )


@pytest.mark.parametrize(
    ("answer", "persists", "persisting", "ours"),
    [
        ("0008 11 81 ea01 0000", True, True, True),
        ("0008 11 80 ea01 0000", True, False, True),
        ("0008 10 80 ca01 0000", False, False, False),
        ("0008 11 01 0000 0000", True, True, True),
    ],
    ids=["all of it", "not persisting now", "not our type", "no word about types"],
)
def test_what_a_lun_can_is_read(answer: str, persists: bool, persisting: bool, ours: bool) -> None:
    assert codec.abilities(bytes.fromhex(answer)) == codec.Abilities(persists, persisting, ours)


@pytest.mark.parametrize(
    ("parse", "answer"),
    [
        (codec.keys, b""),
        (codec.keys, struct.pack(">IIQ", 5, 16, OWN)),
        (codec.keys, struct.pack(">II7x", 5, 7)),
        (codec.reservation, struct.pack(">IIQ", 5, 8, OWN)),
        (codec.reservation, struct.pack(">IIQ4xBB2x", 5, 16, OWN, 0, 0x15)),
        (codec.full_status, struct.pack(">II20x", 5, 20)),
        (codec.full_status, struct.pack(">IIQ4xBB4xHI", 5, 24, OWN, 0, 0, 1, 8)),
        (codec.abilities, bytes(7)),
    ],
    ids=[
        "nothing",
        "cut off",
        "half a key",
        "half a reservation",
        "of a part",
        "half a registrant",
        "no name",
        "short",
    ],
)
def test_an_answer_that_is_none_is_not_read(parse: object, answer: bytes) -> None:
    assert callable(parse)
    with pytest.raises(Malformed):
        parse(answer)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("7000060000000 00a 00000000 2a03 00000000", Sense(6, 0x2A, 3)),
        ("7206 2a03 00000000", Sense(6, 0x2A, 3)),
        ("", Sense(0, 0, 0)),
        ("7000", Sense(0, 0, 0)),
    ],
    ids=["fixed", "descriptor", "none", "cut off"],
)
def test_sense_is_read_in_both_formats(raw: str, expected: Sense) -> None:
    assert codec.sense(bytes.fromhex(raw.replace(" ", ""))) == expected
