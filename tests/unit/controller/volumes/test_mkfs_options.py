"""How a volume's file system is made: a safe list."""

from __future__ import annotations

import pytest

from controller.model import Handout, Spec
from controller.volumes.mkfs_options import arguments, problem
from controller.volumes.options import BadOptions, difference, parse_options

SIZE = {"size": "1GiB"}


def test_what_is_said_is_kept_in_order_and_compared() -> None:
    said = {**SIZE, "mkfs-options": "reserved=0, inode-ratio=65536"}
    found = parse_options(said)
    assert found == Spec(2**30, handout=Handout(mkfs_options=("inode-ratio=65536", "reserved=0")))
    assert difference(said, found) is None
    assert "mkfs-options is inode-ratio=65536,reserved=0 and not reserved=1" in str(
        difference({"mkfs-options": "reserved=1"}, found)
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mkfs-options": "-O ^has_journal"}, "is not among those allowed for ext4: inode-ratio=NUMBER, reserved"),
        ({"mkfs-options": "maxpct=5"}, "is not among those allowed for ext4"),
        ({"mkfs-options": "reserved=0", "fstype": "xfs"}, "is not among those allowed for xfs: maxpct=NUMBER"),
        ({"mkfs-options": "reserved=51"}, "a number from 0 to 50"),
        ({"mkfs-options": "reserved=-1"}, "a number from 0 to 50"),
        ({"mkfs-options": "reserved"}, "a number from 0 to 50"),
        ({"mkfs-options": "reserved=٣"}, "a number from 0 to 50"),
        ({"mkfs-options": "inode-ratio=1024"}, "a number from 4096"),
        ({"mkfs-options": "reserved=0,reserved=1"}, "one thing twice"),
    ],
)
def test_what_is_not_on_the_list_is_refused_with_what_is(options: dict[str, str], words: str) -> None:
    found = parse_options({**SIZE, **options})
    assert isinstance(found, BadOptions)
    assert words in found.why


def test_a_copy_has_the_file_system_of_its_source() -> None:
    assert "leave it out" in str(problem({"mkfs-options": "reserved=0", "clone-from": "a"}))


def test_a_gate_gives_mkfs_only_what_is_on_the_list() -> None:
    assert arguments("ext4", ["reserved=00", "inode-ratio=65536", "maxpct=5", "-F", "reserved=0 -F"]) == (
        *("-m", "0"),
        *("-i", "65536"),
    )
    assert arguments("xfs", ["maxpct=5"]) == ("-i", "maxpct=5")
