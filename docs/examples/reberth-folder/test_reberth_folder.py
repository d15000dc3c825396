"""The suite of `reberth.testing`, on a folder of its own for each test: `pytest` in this directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from reberth_folder import create

from reberth.driver import DiskId, Power, VmId
from reberth.testing import Kind, StorageSuite


class FolderRig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver, self.rival = (create({"folder": str(folder)}) for _ in range(2))
        self.machines = 0

    async def add_vm(self) -> VmId:
        self.machines += 1
        return VmId(f"00000000-0000-4000-8000-{self.machines:012d}")

    async def switch(self, vm: VmId, power: Power) -> None:
        """The folder does not know whether a machine runs: power is another driver's business."""

    async def write(self, vm: VmId, disk: DiskId) -> None:
        (self.folder / "mounted" / disk).touch()

    async def go_away(self) -> None:
        self.folder.rename(self.folder.with_name("away"))


class TestFolderDriver(StorageSuite):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> FolderRig:
        return FolderRig(tmp_path / "storage")

    @pytest.fixture
    def kind(self) -> Kind:
        return Kind("folder")


@pytest.mark.parametrize("settings", [{}, {"folder": 5}, {"folder": "/x", "colour": "red"}])
def test_a_mistake_in_the_settings_is_told(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="write folder ="):
        create(settings)
