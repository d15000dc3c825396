"""Which disks a node may use; what else rests on real ones (tests/integration/gate)."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.gate.kernel.device import of_controllers


@pytest.mark.parametrize(("face", "theirs"), [("reberth", True), ("default", False), (None, False)])
def test_a_disk_that_comes_by_the_controllers_initiator_is_told_apart(
    face: str | None, theirs: bool, tmp_path: Path
) -> None:
    """As the kernel lays it out: session, target, the disk's address."""
    session, disk = tmp_path / "session1", tmp_path / "sda"
    address = session / "target2:0:0" / "2:0:0:0"
    address.mkdir(parents=True)
    disk.mkdir()
    (disk / "device").symlink_to(address)
    if face is not None:
        (session / "iscsi_session" / "session1").mkdir(parents=True)
        (session / "iscsi_session" / "session1" / "ifacename").write_text(f"{face}\n")

    assert of_controllers(disk) is theirs
