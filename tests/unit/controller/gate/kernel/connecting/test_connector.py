"""What is refused before any disk is touched. Real disks: tests/integration/gate/test_connecting.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.gate.kernel.connecting.connector import Connecting, Word, carried_out
from controller.model import Connection, ConnectKind
from tests.support.connections import WWN, connection


class Untouched:
    def connect(self, what: Connection, *, anew: bool) -> Word:
        raise AssertionError((what, anew))

    def disconnect(self, what: Connection) -> Word:
        raise AssertionError(what)


@pytest.mark.parametrize("name", ["scsi-0QEMU_1", "virtio-data", "sda", "../sda"])
def test_a_disk_is_found_only_by_a_name_that_it_has_by_itself(tmp_path: Path, name: str) -> None:
    what = replace(connection(), by_id=(WWN, name))

    word = carried_out(Untouched(), what, undo=False, by_id=tmp_path)

    assert word == Word("refused", f"{name!r} is no name that a disk has by itself (wwn-...)")


@pytest.mark.parametrize("undo", [False, True])
def test_a_disk_that_this_node_does_not_see_is_refused(tmp_path: Path, undo: bool) -> None:
    word = carried_out(Untouched(), connection(), undo=undo, by_id=tmp_path)

    assert word == Word("refused", f"this node does not see the disk {WWN}: is it logged in to its storage?")


def test_what_is_no_block_device_is_refused(tmp_path: Path) -> None:
    """After a logout somebody's `dd of=` leaves a plain file under such a name."""
    (tmp_path / WWN).write_bytes(bytes(4096))

    word = carried_out(Untouched(), connection(), undo=False, by_id=tmp_path)

    assert word.outcome == "refused"
    assert "is not a block device" in word.why


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    word = carried_out(Untouched(), connection(name="wwn-/../../sda"), undo=False, by_id=tmp_path)

    assert word.outcome == "refused"
    assert "is not a name under" in word.why


def test_a_gate_says_what_it_can(tmp_path: Path) -> None:
    assert Connecting({ConnectKind.REGISTER_KEY: Untouched()}, tmp_path).kinds == ("register-key",)
    assert Connecting({}, tmp_path).kinds == ()
