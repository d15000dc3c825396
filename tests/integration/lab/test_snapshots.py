"""A disk in use is copied at one instant by the machine host, where its file system can, and else refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from deploy.lab.hypervisor.disks import StorageRefusal, can_reflink, reflink
from deploy.lab.lab import Lab
from deploy.lab.names import Layout
from tests.support.labs import BY_ID, MIB, ask, make_disk, mount, sh, until, vm

BLOCK = 4096
WRITER = """
import os
disk = os.open({disk!r}, os.O_WRONLY | os.O_DSYNC)
for number in range(1, 100000):
    for at in (0, {far}):
        os.pwrite(disk, b"%08d" % number, at)
"""


def beginning(image: Path) -> bytes:
    with image.open("rb") as file:
        return file.read(8).strip(b"\0")


def test_two_blocks_that_are_written_in_turn_are_never_further_apart_than_one_write(lab: Lab) -> None:
    """However far from each other they lie: with a copy that takes time one of them would be far ahead."""
    disk, far = make_disk(lab, "d1", 512 * MIB), 511 * MIB
    ask(lab, "attach", "swarm01", disk)
    script = WRITER.format(disk=BY_ID + disk, far=far)
    sh(lab, "swarm01", f"cat > /run/w.py <<'END'\n{script}END")
    writer = threading.Thread(target=lab.exec, args=("swarm01", ["timeout", "6", "/usr/bin/python3", "/run/w.py"]))
    writer.start()
    image = Layout(lab.spec.name).machines / vm(lab, "swarm01") / f"{disk}.img"
    until(lambda: beginning(image), "it writes")
    pairs: list[tuple[bytes, bytes]] = []
    while writer.is_alive() and len(pairs) < 40:
        key = f"snap-{len(pairs)}"
        lab.host.call("PUT", f"/v1/disks/{key}", {"size_bytes": 512 * MIB, "copy_of": disk, "in_use": True})
        with (Layout(lab.spec.name).pool / f"{key}.img").open("rb") as copy:
            first = copy.read(8)
            copy.seek(far)
            pairs.append((first, copy.read(8)))
    writer.join()

    numbers = [tuple(int(each.strip(b"\0") or b"0") for each in pair) for pair in pairs]
    assert all(0 <= first - second <= 1 for first, second in numbers), numbers
    assert numbers[-1][0] > numbers[0][0]


def test_what_a_file_system_has_written_by_then_can_be_mounted_elsewhere(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm01", disk)
    mount(lab, "swarm01", disk, "ext4")
    sh(lab, "swarm01", "echo kept > /run/disk/file && sync && echo lost > /run/disk/later")
    lab.host.call("PUT", "/v1/disks/snap-1", {"size_bytes": 64 * MIB, "copy_of": disk, "in_use": True})
    sh(lab, "swarm01", "echo after > /run/disk/file && sync")
    ask(lab, "attach", "swarm02", "snap-1")

    assert sh(lab, "swarm02", f"mkdir -p /run/disk && mount {BY_ID}snap-1 /run/disk && cat /run/disk/file") == "kept\n"
    sh(lab, "swarm02", "umount /run/disk")


def test_where_the_file_system_cannot_it_is_refused_with_the_cure(tmp_path: Path) -> None:
    """/dev/shm clones no files."""
    folder = Path("/dev/shm")
    source = folder / f"{tmp_path.name}.img"
    source.write_bytes(bytes(BLOCK))
    try:
        assert not can_reflink(folder)
        with pytest.raises(StorageRefusal, match="cannot copy it at one instant") as refused:
            reflink(source, source.with_suffix(".copy"))
        assert refused.value.cure == "Put the lab's folder on xfs or btrfs."
    finally:
        for left in (source, source.with_suffix(".copy")):
            left.unlink(missing_ok=True)
