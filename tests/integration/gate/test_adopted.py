"""A disk that was adopted is mounted as it is, on its label's word alone, and no other disk in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from controller.gate.kernel.host import KernelHost
from controller.model import VolumeKey
from controller.protocol import messages
from controller.volumes.naming import disk_key, label_of
from tests.support.gate_rig import MIB, Disk, FakeController, disk, private_mounts, running

FSTYPES = {"ext4": 64 * MIB, "xfs": 400 * MIB}


@pytest.fixture(autouse=True)
def _own_mounts() -> Iterator[None]:
    with private_mounts():
        yield


def adopted(one: Disk, serial: int, fstype: str, made_for: str) -> messages.MountGrant:
    """As the controller grants it that knows the disk's key, and nothing of its life."""
    label = label_of(disk_key(VolumeKey("data"), made_for))
    return one.grant("data", serial, fstype=fstype, fs_uuid="", may_format=False, label=label)


@pytest.mark.parametrize("fstype", FSTYPES)
async def test_an_adopted_disk_keeps_its_data_and_another_one_is_refused_untouched(tmp_path: Path, fstype: str) -> None:
    host, controller = KernelHost(tmp_path / "volumes", tmp_path / "by-id"), FakeController()
    with disk(tmp_path, "old", FSTYPES[fstype]) as old:
        controller.grant(old.grant("data", 1, fstype=fstype))
        async with running(host, controller, tmp_path) as gate:
            (await gate.mount("data", "w") / "row").write_text("before")
            await gate.unmount("data", "w")

            controller.grant(adopted(old, 2, fstype, old.fs_uuid))
            assert (await gate.mount("data", "x") / "row").read_text() == "before"
            await gate.unmount("data", "x")

            before = old.read()
            controller.grant(adopted(old, 3, fstype, "11111111-2222-4333-8444-555555555555"))
            with pytest.raises(GateError, match=f"is labelled {old.fs_uuid}"):
                await gate.mount("data", "y")
            assert old.read() == before
