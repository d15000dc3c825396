"""A key says whose it is and under which epoch, and one of somebody else's says nothing."""

from __future__ import annotations

import pytest

from controller.model import Epoch, VmId
from controller.reservations.keys import NodeKey, PoolKey, parse, pool_number, shown, who_is

ONE, TWO = VmId("00000000-0000-4000-8000-000000000001"), VmId("00000000-0000-4000-8000-000000000002")


@pytest.mark.parametrize(
    "key",
    [NodeKey(who_is(ONE), Epoch(0)), NodeKey(0xFFFFFFFF, Epoch(0xFFFFFF)), PoolKey(0xABCD, 0x1234, Epoch(7))],
    ids=["a node's", "the highest", "a controller's"],
)
def test_a_key_is_read_as_it_was_written(key: NodeKey | PoolKey) -> None:
    assert parse(key.number) == key
    assert 0 < key.number < 1 << 64


def test_a_node_and_a_controller_with_the_same_digits_are_two() -> None:
    assert NodeKey(0xABCD1234, Epoch(7)).number != PoolKey(0xABCD, 0x1234, Epoch(7)).number


@pytest.mark.parametrize("number", [0, 1, 0xB6 << 56, 0xFFFFFFFFFFFFFFFF])
def test_a_key_of_somebody_else_is_none_of_ours(number: int) -> None:
    assert parse(number) is None


@pytest.mark.parametrize("epoch", [-1, 1 << 24])
def test_an_epoch_that_does_not_fit_is_no_key(epoch: int) -> None:
    """Else it would be that of another epoch."""
    with pytest.raises(ValueError, match="does not fit"):
        _ = NodeKey(1, Epoch(epoch)).number


def test_machines_and_pools_are_told_apart() -> None:
    assert who_is(ONE) != who_is(TWO)
    assert pool_number("one") != pool_number("two")


def test_a_key_is_shown_as_sg_persist_does() -> None:
    assert shown(0xB7 << 56) == "0xb700000000000000"
