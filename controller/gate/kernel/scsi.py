"""SCSI disks that died, or did not show up: switched on again, removed, looked for. Blocks: see `device`."""

from __future__ import annotations

import errno
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from controller.gate.kernel.device import (
    BY_ID,
    DEAD_SCSI_STATES,
    SYS_BLOCK,
    in_sysfs,
    in_use,
    number_of,
    read_fails,
    text_of,
)

SYS = Path("/sys")


def remove_scsi(number: str) -> bool:
    """Take a dead SCSI disk out of the kernel, so that the next one does not meet its ghost. False: not a SCSI disk."""
    switch = SYS_BLOCK / number / "device" / "delete"
    if not switch.exists():
        return False
    _write(switch, "1")
    return True


def rescue(
    names: Sequence[str], by_id: Path = BY_ID, sys: Path = SYS, fails: Callable[[str], str | None] = read_fails
) -> None:
    """
    Bring back disks that the storage has attached to this VM, and that this kernel shows dead or not at all.

    After a stall of the storage the kernel's error handler sets a SCSI disk ``offline``, and never looks again. It is
    switched on; if it stays dead and nothing holds it, it is removed and found anew by a scan of all SCSI hosts. One
    without a size is asked for its capacity again. One that runs and answers no read may be the ghost of
    this very disk, of before it was taken and came back: it hides what is at its address now, and is removed, too. Only
    for a disk that a grant names: so the storage lists it, and what is removed comes back. Raises OSError.
    """
    for name in names:
        for number in sorted(_numbers(name, by_id, sys)):
            _revive(sys / "dev" / "block" / number / "device" / "state", number, fails)
    for scan in sorted(sys.glob("class/scsi_host/*/scan")):
        _write(scan, "- - -")


def _numbers(name: str, by_id: Path, sys: Path) -> set[str]:
    """Of all disks that have or will have this name."""
    linked = _number_behind(by_id / name)
    found = {text_of(sys / "block" / disk / "dev") for disk in in_sysfs(name, sys / "block")}
    return {number for number in (linked, *found) if number}


def _revive(state: Path, number: str, fails: Callable[[str], str | None]) -> None:
    """``state``: of the SCSI device, in the kernel's folder of it."""
    if text_of(state) not in DEAD_SCSI_STATES:
        if text_of(state.parent.parent / "size") == "0":
            _write(state.with_name("rescan"), "1")
        elif state.exists() and fails(number) is not None and not in_use(number):
            _write(state.with_name("delete"), "1")
        return
    _write(state, "running")
    if text_of(state) in DEAD_SCSI_STATES and not in_use(number):
        _write(state.with_name("delete"), "1")


def _number_behind(link: Path) -> str | None:
    """Without opening it: a dead disk cannot be."""
    try:
        status = link.stat()
    except OSError:
        return None
    return number_of(status.st_rdev) if stat.S_ISBLK(status.st_mode) else None


def _write(switch: Path, text: str) -> None:
    """Docker mounts /sys read-only into a plugin; CAP_SYS_ADMIN lets us mount one of our own."""
    try:
        switch.write_text(text, encoding="ascii")
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        _write_in_own_sysfs(switch.resolve(), text)


def _write_in_own_sysfs(switch: Path, text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reberth-sys-") as directory:
        subprocess.run(["mount", "-t", "sysfs", "sysfs", directory], check=True, timeout=10)
        try:
            Path(directory, switch.relative_to("/sys")).write_text(text, encoding="ascii")
        finally:
            subprocess.run(["umount", directory], check=True, timeout=10)
