"""What is written to sysfs for a disk that died in a stall."""

from __future__ import annotations

from pathlib import Path

from controller.gate.kernel.device import identity
from controller.gate.kernel.scsi import rescue


def test_dead_disk_is_switched_on_again_and_all_scsi_hosts_are_scanned(tmp_path: Path) -> None:
    """Only the disk that is named; a host that had it removed finds it anew."""
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "disk").symlink_to("/dev/loop0")
    states = {}
    for number in ("7:0", "7:1"):
        states[number] = tmp_path / "sys" / "dev" / "block" / number / "device" / "state"
        states[number].parent.mkdir(parents=True)
        states[number].write_text("offline\n")
    scan = tmp_path / "sys" / "class" / "scsi_host" / "host0" / "scan"
    scan.parent.mkdir(parents=True)

    rescue(["not-there", "disk"], tmp_path / "by-id", tmp_path / "sys")
    assert scan.exists() is False

    scan.write_text("")
    rescue(["disk"], tmp_path / "by-id", tmp_path / "sys")

    assert states["7:0"].read_text() == "running"
    assert states["7:1"].read_text() == "offline\n"
    assert scan.read_text() == "- - -"


def test_a_scsi_disk_is_known_by_its_wwid_and_every_other_disk_by_nothing(tmp_path: Path) -> None:
    for number, wwid in (("8:16", "naa.6000c29aa\n"), ("8:32", "")):
        file = tmp_path / number / "device" / "wwid"
        file.parent.mkdir(parents=True)
        file.write_text(wwid)

    assert [identity(number, tmp_path) for number in ("8:16", "8:32", "7:0")] == ["naa.6000c29aa", None, None]
