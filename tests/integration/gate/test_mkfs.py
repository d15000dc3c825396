"""How file systems are made: what a volume may say of it, with the real programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gate_rig import MIB, Disk, FakeController, disk, host, running

pytestmark = pytest.mark.usefixtures("own_mounts")


async def made(directory: Path, controller: FakeController) -> None:
    async with running(host(directory), controller, directory) as gate:
        await gate.mount("data", "m1")


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


async def test_an_ext4_is_made_as_its_volume_says_and_what_is_not_on_the_list_is_left_out(
    tmp_path: Path, spare: Disk
) -> None:
    controller = FakeController()
    controller.grant(spare.grant(mkfs_options=("inode-ratio=65536", "reserved=0", "-O^has_journal")))
    await made(tmp_path, controller)
    told = spare.run("dumpe2fs", "-h")
    assert 0.8 < int(_line(told, "Inode count").split()[-1]) * 65536 / spare.size < 1.2
    assert _line(told, "Reserved block count").split()[-1] == "0"
    assert "has_journal" in _line(told, "Filesystem features")


@pytest.mark.parametrize("words", [("inode-ratio=4096", "reserved=50"), (f"inode-ratio={2**26}",)])
async def test_the_bounds_of_what_a_volume_may_say_of_its_ext4_can_be_made(
    tmp_path: Path, spare: Disk, words: tuple[str, ...]
) -> None:
    controller = FakeController()
    controller.grant(spare.grant(mkfs_options=words))
    await made(tmp_path, controller)


async def test_an_xfs_is_made_as_its_volume_says(tmp_path: Path) -> None:
    with disk(tmp_path, size=400 * MIB) as spare:
        controller = FakeController()
        controller.grant(spare.grant(fstype="xfs", mkfs_options=("maxpct=7",)))
        await made(tmp_path, controller)
        assert "imaxpct=7" in spare.run("xfs_info").replace(" ", "")
