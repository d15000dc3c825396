"""Failovers of a writer on LUNs, also of one that stood still: nothing acknowledged is lost, and nothing comes late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import pytest

from controller.model import Epoch, Spec, VolumeKey
from controller.reservations.lun import Lun
from drivers.base import Created, Done
from reberth.testing.asking import new_disk
from tests.conformance.lun_rig import LunRig
from tests.lio.bed import SIZES
from tests.lio.site import VMS
from tests.lio.writer import records

A, B, _ = VMS
RUNS = range(1, 6)
ONE = Epoch(1)
START = """
rm -f /run/acks
cd /opt/reberth
setsid python3 -m tests.lio.writer /run/nexus/a/{lun} /run/acks {run} >/dev/null 2>&1 & echo $! >/run/writer
n=0; until [ -s /run/acks ]; do n=$((n + 1)); [ $n -lt 200 ] || exit 1; sleep 0.1; done; sleep 1
"""


async def read(rig: LunRig, lun: str, run: str) -> int:
    """The records that another node finds."""

    def asked(offset: int, length: int) -> bytes:
        return cast("bytes", rig.bed.call("lun", "b", lun, partial(Lun.read, offset=offset, length=length)))

    return await asyncio.to_thread(records, asked, run)


def acknowledged(rig: LunRig) -> tuple[int, str]:
    """The last number, and what the writer said in the end."""
    lines = rig.bed.shell("cat /run/acks").split("\n")[:-1]
    numbers = [int(each) for each in lines if each.isdigit()]
    return numbers[-1], lines[-1]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("frozen", [False, True], ids=["writing", "stopped, and resumed afterwards"])
async def test_no_acknowledged_record_is_lost_and_no_write_lands_after_the_fence(frozen: bool, run: int) -> None:
    async with LunRig() as rig:
        disk = await new_disk(rig)
        lun, name = disk.partition("@")[2], f"{run}-{frozen}-{time.monotonic_ns()}"
        assert await rig.driver.attach([disk], A, ONE) == [Done()]
        shell: Callable[[str], object] = rig.bed.shell
        await asyncio.to_thread(shell, START.format(lun=lun, run=name))
        if frozen:
            await asyncio.to_thread(shell, "kill -STOP $(cat /run/writer)")
        began = time.monotonic()
        assert await rig.driver.detach([disk], A, ONE) == [Done()]
        took = time.monotonic() - began
        assert await rig.driver.attach([disk], B, ONE) == [Done()]
        found = await read(rig, lun, name)
        if frozen:
            await asyncio.to_thread(shell, "kill -CONT $(cat /run/writer)")
        await asyncio.to_thread(shell, "n=0; until grep -q failed /run/acks; do sleep 0.1; done")
        last, said = acknowledged(rig)

        assert said == "failed EBADE"
        assert last <= found <= last + 1
        assert await read(rig, lun, name) == found
        print(f"{'stopped' if frozen else 'writing'} {run}: detach {took:.2f} s, {last} acknowledged, {found} found")  # noqa: T201


async def test_buffered_writes_go_on_succeeding_after_the_fence_and_only_fsync_tells() -> None:
    """So a task on the old node may answer from its cache for some seconds; what it acknowledges by fsync is kept."""
    async with LunRig() as rig:
        # A LUN that no other test writes to: A's kernel tells of what it could not write back here to who does later.
        created = await rig.driver.create(VolumeKey("data"), Spec(SIZES[-1] << 20))
        assert isinstance(created, Created)
        disk, lun = created.disk, created.disk.partition("@")[2]
        assert await rig.driver.attach([disk], A, ONE) == [Done()]
        device = "/run/nexus/{}/" + lun
        mount = f"mkdir -p /mnt/a; mkfs.ext4 -q -F {device.format('a')} 60M; mount {device.format('a')} /mnt/a"
        await asyncio.to_thread(rig.bed.shell, f"{mount}; echo kept >/mnt/a/kept; sync -f /mnt/a")
        assert await rig.driver.detach([disk], A, ONE) == [Done()]
        assert rig.bed.tried("echo lost >/mnt/a/lost")[0] == 0
        assert rig.bed.tried("sync /mnt/a/lost")[0] != 0
        assert await rig.driver.attach([disk], B, ONE) == [Done()]
        await asyncio.to_thread(rig.bed.shell, f"umount -l /mnt/a; mkdir -p /mnt/b; mount {device.format('b')} /mnt/b")
        assert rig.bed.shell("cat /mnt/b/kept; ls /mnt/b").split() == ["kept", "kept", "lost+found"]
        await asyncio.to_thread(rig.bed.shell, "umount /mnt/b")
