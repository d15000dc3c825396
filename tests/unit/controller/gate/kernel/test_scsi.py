"""What is written to sysfs for a disk that died in a stall."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.gate.kernel.device import gone, identity
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


@pytest.mark.parametrize(("size", "asked"), [("0\n", "1"), ("2048\n", "")])
def test_a_scsi_disk_without_a_size_is_asked_for_its_capacity_again(tmp_path: Path, size: str, asked: str) -> None:
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "disk").symlink_to("/dev/loop0")
    disk = tmp_path / "sys" / "dev" / "block" / "7:0"
    (disk / "device").mkdir(parents=True)
    (disk / "size").write_text(size)
    (disk / "device" / "state").write_text("running\n")
    (disk / "device" / "rescan").write_text("")

    rescue(["disk"], tmp_path / "by-id", tmp_path / "sys")

    assert (disk / "device" / "rescan").read_text() == asked
    assert (disk / "device" / "state").read_text() == "running\n"


@pytest.mark.parametrize(
    ("size", "scsi", "found"), [(None, False, True), ("0\n", False, True), ("0\n", True, False), ("8\n", True, False)]
)
def test_a_disk_is_gone_when_the_kernel_has_none_or_an_empty_one_that_cannot_come_back(
    tmp_path: Path, size: str | None, scsi: bool, found: bool
) -> None:
    """A SCSI disk has no size while the storage stalls: what is mounted from it must not be thrown away for that."""
    if size is not None:
        device = tmp_path / "8:16" / "device"
        device.mkdir(parents=True)
        (tmp_path / "8:16" / "size").write_text(size)
        if scsi:
            (device / "state").write_text("running\n")

    assert gone("8:16", tmp_path) is found


def _kernel(root: Path, disks: dict[str, str]) -> Path:
    """``disks``: by name, the number; all have one identity, run, and can be deleted."""
    for name, number in disks.items():
        block = root / "sys" / "block" / name
        (block / "device").mkdir(parents=True)
        (block / "dev").write_text(f"{number}\n")
        (block / "device" / "wwid").write_text("naa.6000c29aa\n")
        device = root / "sys" / "dev" / "block" / number / "device"
        device.mkdir(parents=True)
        (device.parent / "size").write_text("2048\n")
        (device / "state").write_text("running\n")
        (device / "delete").write_text("")
    return root / "sys"


def test_of_two_devices_of_one_disk_the_one_that_answers_no_read_is_removed_also_where_no_link_leads_to_it(
    tmp_path: Path,
) -> None:
    """A ghost of before the disk was taken: it runs, has a size, and hides what comes to its address."""
    sys = _kernel(tmp_path, {"sdb": "8:1616", "sdc": "8:1632"})

    rescue(["wwn-0x6000c29aa"], tmp_path / "by-id", sys, lambda number: "no connection" if number == "8:1616" else None)

    deleted = {
        number: (sys / "dev" / "block" / number / "device" / "delete").read_text() for number in ("8:1616", "8:1632")
    }
    assert deleted == {"8:1616": "1", "8:1632": ""}


def test_a_disk_of_another_name_is_not_removed_however_silent_it_is(tmp_path: Path) -> None:
    sys = _kernel(tmp_path, {"sdb": "8:1616"})

    rescue(["wwn-0x6000c29bb"], tmp_path / "by-id", sys, lambda _: "no connection")

    assert (sys / "dev" / "block" / "8:1616" / "device" / "delete").read_text() == ""
