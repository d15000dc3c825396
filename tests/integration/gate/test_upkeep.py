"""What is done now and then for a mounted volume, on real file systems."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from controller.gate.upkeep.trimming import Trimming
from tests.support.gate_rig import MIB, Disk, FakeController, host, running

pytestmark = pytest.mark.usefixtures("own_mounts")

VOLUME = "data"


async def test_what_was_deleted_is_given_back_to_the_storage_and_nothing_else(
    tmp_path: Path, spare_of_kind: tuple[Disk, str]
) -> None:
    made, fstype = spare_of_kind
    kernel, controller = host(tmp_path), FakeController()
    controller.grant(made.grant(VOLUME, fstype=fstype))
    async with running(kernel, controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        kept = os.urandom(8 * MIB)
        (path / "kept").write_bytes(kept)
        (path / "much").write_bytes(os.urandom(200 * MIB))
        subprocess.run(["sync", "--file-system", path], check=True)  # noqa: ASYNC221 -- a moment, on a loop device
        full = made.image.stat().st_blocks * 512
        (path / "much").unlink()
        subprocess.run(["sync", "--file-system", path], check=True)  # noqa: ASYNC221

        volume = gate.volumes.volume(VOLUME)
        assert volume.mount is not None
        async with asyncio.timeout(60):  # xfs frees what was deleted a little later
            while full - made.image.stat().st_blocks * 512 < 190 * MIB:
                await Trimming(kernel, gate.volumes).trim(volume, volume.mount)
        await gate.unmount(VOLUME, "a")
        controller.grant(made.grant(VOLUME, serial=2, fstype=fstype, may_format=False))
        path = await gate.mount(VOLUME, "b")
        assert (path / "kept").read_bytes() == kept
        await gate.unmount(VOLUME, "b")
