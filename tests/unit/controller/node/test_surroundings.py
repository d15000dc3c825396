"""What the kernel of a node tells of its network and of Docker's file system."""

from __future__ import annotations

import shutil
from pathlib import Path

from controller.node.surroundings import room_of, smallest, smallest_mtu

LOOPBACK = min(int(Path("/sys/class/net/lo/mtu").read_text()), 65_535)  # no packet of IPv4 is larger


def test_the_mtu_is_that_of_the_interface_on_the_way() -> None:
    assert smallest_mtu(["127.0.0.1"]) == LOOPBACK


def test_an_address_that_is_none_tells_nothing_and_hides_no_other() -> None:
    assert smallest_mtu(["no address", "127.0.0.1"]) == LOOPBACK
    assert smallest_mtu(["no address"]) is None
    assert smallest_mtu([]) is None


def test_the_narrowest_way_counts() -> None:
    assert smallest([1500, None, 1400, 9000]) == 1400


def test_a_file_system_s_room_is_told_in_bytes(tmp_path: Path) -> None:
    found = room_of(tmp_path)
    assert found is not None
    free, size = found
    told = shutil.disk_usage(tmp_path)
    assert size == told.total
    assert abs(free - told.free) < told.total // 100 + (1 << 28)  # others write, too
    assert room_of(tmp_path / "missing") is None
