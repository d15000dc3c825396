"""What is no order for a node's key is refused before a LUN is touched. Real LUNs: tests/storage/test_lun_traps.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from controller.gate.kernel.connecting.connector import Word
from controller.gate.kernel.connecting.keys import KeyRegistrar
from controller.model import Epoch
from controller.reservations.keys import PoolKey
from tests.support.connections import WWN, connection


def test_a_key_that_is_a_controller_s_is_never_registered_on_a_node(tmp_path: Path) -> None:
    """Whoever holds the LUN could be taken for it."""
    order = replace(connection(), key=PoolKey(1, 2, Epoch(3)).number)
    for word in (KeyRegistrar(tmp_path).connect(order, anew=True), KeyRegistrar(tmp_path).disconnect(order)):
        assert word == Word("refused", "0xb800010002000003 is no key of a node's")


def test_a_lun_that_this_node_does_not_see_is_refused(tmp_path: Path) -> None:
    word = KeyRegistrar(tmp_path).connect(connection(), anew=True)
    assert word.outcome == "refused"
    assert WWN in word.why


def test_a_plain_file_is_no_lun(tmp_path: Path) -> None:
    (tmp_path / WWN).write_bytes(bytes(4096))
    word = KeyRegistrar(tmp_path).connect(connection(), anew=True)
    assert (word.outcome, "is no block device" in word.why) == ("refused", True)
