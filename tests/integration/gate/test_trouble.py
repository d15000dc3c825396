"""File systems that shut down, turned read-only, or are full; and ones that older kernels have to mount."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from controller.gate.jobs import GateError
from tests.support.gate_rig import MIB, Disk, FakeController, disk, host, running, until

pytestmark = pytest.mark.usefixtures("own_mounts")

VOLUME = "data"


def break_it(spare: Disk, fstype: str, path: Path) -> None:
    """What an I/O error in the journal does to it."""
    if fstype == "ext4":
        Path(f"/sys/fs/ext4/{Path(spare.loop).name}/trigger_fs_error").write_text("an error of the test")
    else:
        subprocess.run(["xfs_io", "-x", "-c", "shutdown", path], check=True)


async def test_broken_file_system_is_told_and_mended_when_its_container_ends(
    tmp_path: Path, spare_of_kind: tuple[Disk, str]
) -> None:
    """The next container gets it checked and writable, with what was there."""
    made, fstype = spare_of_kind
    controller = FakeController()
    controller.grant(made.grant(VOLUME, fstype=fstype))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        (path / "row").write_text("kept")
        subprocess.run(["sync", "--file-system", path], check=True)  # noqa: ASYNC221 -- a moment, on a loop device
        break_it(made, fstype, path)

        def told() -> bool:
            said = controller.said(VOLUME)
            return said is not None and "after an error" in (said.problem or "")

        await until(told)
        await gate.unmount(VOLUME, "a")
        controller.grant(made.grant(VOLUME, serial=2, fstype=fstype, may_format=False))
        path = await gate.mount(VOLUME, "b")
        assert (path / "row").read_text() == "kept"
        (path / "row").write_text("written again")
        await until(lambda: (said := controller.said(VOLUME)) is not None and said.problem is None)
        await gate.unmount(VOLUME, "b")


@pytest.mark.parametrize(
    ("fstype", "broken"), [("ext4", True), ("ext4", False), ("xfs", False)], ids=["error", "somebody", "somebody, xfs"]
)
async def test_a_gate_without_memory_says_of_a_read_only_file_system_only_what_the_kernel_shows(
    tmp_path: Path, fstype: str, broken: bool
) -> None:
    """
    It may be mounted so because somebody wants it; an error shows in the file system alone, not in its mount. An xfs
    that was shut down does not even say whose it is: its disk is a stray then.
    """
    with disk(tmp_path, size=400 * MIB) as made:
        await _without_memory(tmp_path, made, fstype, broken=broken)


async def _without_memory(tmp_path: Path, made: Disk, fstype: str, *, broken: bool) -> None:
    controller = FakeController()
    controller.grant(made.grant(VOLUME, fstype=fstype))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        if broken:
            break_it(made, fstype, path)
        else:
            subprocess.run(["mount", "-o", "remount,ro", path.parent], check=True)  # noqa: ASYNC221 -- a moment
    (tmp_path / "state" / "gate.json").unlink()
    controller.syncs.clear()
    async with running(host(tmp_path), controller, tmp_path) as gate:
        told = ("after an error", True) if broken else ("no memory of how it was mounted", False)

        def truly() -> bool:
            said = controller.said(VOLUME)
            return said is not None and (told[0] in (said.problem or ""), said.suffers) == (True, told[1])

        await until(truly)
        await gate.unmount(VOLUME, "a")


async def test_full_volume_can_be_mounted_again(tmp_path: Path, spare_of_kind: tuple[Disk, str]) -> None:
    """Whoever can make room is the container: it must get in."""
    made, fstype = spare_of_kind
    controller = FakeController()
    controller.grant(made.grant(VOLUME, fstype=fstype))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        path = await gate.mount(VOLUME, "a")
        for size in (MIB, 4096, 512):
            with suppress(OSError), (path / f"fill{size}").open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * size)
        await gate.unmount(VOLUME, "a")

        controller.grant(made.grant(VOLUME, serial=2, epoch=4, fstype=fstype, may_format=False))
        path = await gate.mount(VOLUME, "b")
        (path / f"fill{MIB}").unlink()
        await gate.unmount(VOLUME, "b")


async def test_new_file_system_has_no_feature_that_a_kernel_of_a_mixed_swarm_may_lack(
    tmp_path: Path, spare_of_kind: tuple[Disk, str]
) -> None:
    """It is made on one node, and has to be mounted by the next."""
    made, fstype = spare_of_kind
    controller = FakeController()
    controller.grant(made.grant(VOLUME, fstype=fstype))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
        await gate.unmount(VOLUME, "a")

    if fstype == "ext4":
        features = next(line for line in made.run("dumpe2fs", "-h").splitlines() if "features" in line).split()
        late = {"metadata_csum_seed", "orphan_file"}
    else:
        features = made.run("xfs_db", "-r", "-c", "version").replace(",", " ").split()
        late = {"BIGTIME", "INOBTCNT", "NREXT64"}
    assert len(features) > 5
    assert late.isdisjoint(features)


@pytest.fixture
def protect(spare_of_kind: tuple[Disk, str]) -> Iterator[Callable[[], object]]:
    """A loop device stays so for whoever gets it next."""
    made, _ = spare_of_kind
    yield lambda: made.run("blockdev", "--setro")
    made.run("blockdev", "--setrw")


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_disk_that_is_write_protected_is_refused_as_that_and_its_volume_is_free_again(
    tmp_path: Path, spare_of_kind: tuple[Disk, str], protect: Callable[[], object], *, read_only: bool
) -> None:
    """A check would only say that it may not open it, and mount(8) would mount an xfs for reading without a word."""
    made, fstype = spare_of_kind
    controller = FakeController()
    controller.grant(made.grant(VOLUME, fstype=fstype))
    async with running(host(tmp_path), controller, tmp_path) as gate:
        await gate.mount(VOLUME, "a")
        await gate.unmount(VOLUME, "a")
        protect()
        controller.grant(made.grant(VOLUME, serial=2, fstype=fstype, may_format=False, read_only=read_only))
        with pytest.raises(GateError, match=f"{made.loop} is write-protected on this node"):
            await gate.mount(VOLUME, "b")
        await until(lambda: controller.history(VOLUME)[-1] == ("unmounted", 2))
