"""What keys and nameplates of LUNs say: who has which disk, who was deposed, and what is a person's business."""

from __future__ import annotations

import pytest

from controller.model import Attachment, AttachmentState, Epoch, VmId, VolumeKey
from controller.reservations.codec import OURS, Reservation
from controller.reservations.keys import NodeKey, PoolKey, pool_number, who_is
from controller.reservations.plate import BYTES, Plate, encode
from controller.reservations.state import Seen, State
from drivers.lun.looking import Look, Seat, held_by, listing, seat, split, unguarded

ONE, TWO = VmId("00000000-0000-4000-8000-000000000001"), VmId("00000000-0000-4000-8000-000000000002")
MACHINES = {who_is(vm): vm for vm in (ONE, TWO)}
POOL, LUN = "swarm-1", "wwn-0x5000c500a1b2c3d4"
PLATE = Plate(POOL, VolumeKey("data"), 64 << 20)
STRANGER = 0x1234


def node(vm: VmId, epoch: int) -> int:
    return NodeKey(who_is(vm), Epoch(epoch)).number


def pool(epoch: int, name: str = POOL, instance: int = 1) -> int:
    return PoolKey(pool_number(name), instance, Epoch(epoch)).number


def one(*keys: int, kind: int = OURS, holder: int | None = None, plate: Plate | None = PLATE) -> Look:
    held = pool(3) if holder is None else holder
    state = State(keys, Reservation(held, kind) if held else None)
    return Look(POOL, MACHINES, {LUN: Seat(LUN, 64 << 20, state, plate)})


def test_who_is_registered_has_the_disk_under_the_newest_epoch_of_its_keys() -> None:
    found = listing(one(pool(3), node(ONE, 2), node(ONE, 3)))
    assert found.attachments == (Attachment("data@" + LUN, ONE, epoch=Epoch(3)),)  # type: ignore[arg-type]
    assert (found.odd, found.unread, found.power) == ({}, (), None)


def test_a_lun_with_no_node_s_key_is_attached_nowhere() -> None:
    assert listing(one(pool(3))).attachments == ()
    assert listing(one(holder=0)).attachments == ()


def test_a_lun_that_no_volume_has_and_one_of_another_pool_are_not_listed() -> None:
    assert listing(one(pool(3), node(ONE, 3), plate=None)).attachments == ()
    other = Plate("swarm-2", VolumeKey("data"), 64 << 20)
    assert listing(one(pool(3), node(ONE, 3), plate=other)).attachments == ()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (one(pool(3), STRANGER), "has a key that should not be there (0x1234)"),
        (one(pool(3), pool(3, "swarm-2")), "has a key that should not be there"),
        (one(pool(3), node(VmId("5"), 3)), "has a key that should not be there"),
        (one(pool(3), kind=6), "has a reservation of the type exclusive access registrants only"),
        (one(node(ONE, 3), holder=node(ONE, 3)), "which is no controller's"),
    ],
    ids=["of a program", "of another pool", "of an unknown machine", "another type", "a node holds it"],
)
def test_what_should_not_be_makes_the_disk_uncertain_and_is_told(found: Look, words: str) -> None:
    told = listing(found)
    assert words in told.odd[next(iter(found.seats.values())).disk]
    assert {each.state for each in told.attachments} == {AttachmentState.UNCERTAIN}


def test_a_lun_that_cannot_be_read_is_told() -> None:
    found = Look(POOL, MACHINES, {}, {LUN: "no answer"})
    assert listing(found).unread == (f"the LUN {LUN} cannot be read: no answer",)


@pytest.mark.parametrize(
    ("keys", "vm", "deposed"),
    [
        ((pool(3), node(ONE, 3)), ONE, False),
        ((pool(4),), ONE, True),
        ((pool(3), node(ONE, 4)), ONE, True),
        ((pool(3), node(ONE, 4)), TWO, False),
        ((pool(9, "swarm-2"),), ONE, False),
    ],
    ids=["the same epoch", "a later controller", "the VM's own key", "another VM's key", "another pool"],
)
def test_whoever_comes_under_a_lower_epoch_than_the_luns_know_was_deposed(
    keys: tuple[int, ...], vm: VmId, deposed: bool
) -> None:
    assert (one(*keys).guard(vm, Epoch(3)) is not None) == deposed


def test_the_newest_epoch_is_that_of_any_key_of_ours() -> None:
    assert one(pool(3), node(ONE, 5), STRANGER).newest == 5
    assert one(holder=0).newest == 0


def test_a_lun_without_a_reservation_is_told_apart() -> None:
    assert unguarded(one(node(ONE, 3), holder=0)) == [LUN]
    assert unguarded(one(pool(3))) == []


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (State((pool(3),), Reservation(pool(3), OURS)), True),
        (State((), Reservation(pool(3), OURS)), False),
        (State((pool(3),), Reservation(pool(3), 6)), False),
        (State((pool(3), pool(4)), Reservation(pool(4), OURS)), False),
        (State((pool(3),), None), False),
    ],
    ids=["ours", "not registered", "another type", "another's", "nobody's"],
)
def test_a_lun_is_ours_when_our_registered_key_holds_our_type(state: State, held: bool) -> None:
    assert held_by(state, pool(3)) is held


def test_what_is_in_place_of_a_nameplate_is_told() -> None:
    state = State((), None)
    assert seat(LUN, Seen(64 << 20, state, encode(PLATE))).plate == PLATE
    assert seat(LUN, Seen(64 << 20, state, bytes(BYTES))) == Seat(LUN, 64 << 20, state)
    assert "no nameplate of Reberth's" in seat(LUN, Seen(64 << 20, state, b"x" * BYTES)).bad


@pytest.mark.parametrize(("text", "parts"), [("a@b@wwn", ("a@b", "wwn")), ("wwn", None), ("@wwn", None), ("a@", None)])
def test_a_disk_s_id_is_its_key_and_its_lun(text: str, parts: tuple[str, str] | None) -> None:
    assert split(text) == parts  # type: ignore[arg-type]
