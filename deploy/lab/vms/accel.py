"""Whether this machine's processor runs the guests. Only a trial tells: a machine may have /dev/kvm that fails."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from deploy.lab.images.images import digest
from deploy.lab.vms.image import Base

_TRIAL_SECONDS = 20
_SAYS = b"LAB-TRIAL-OK"  # by guest/initramfs


def kvm_works(base: Base, cache: Path) -> bool:
    """Boots a kernel, once for each machine and QEMU; the answer is kept in the cache."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    kept = cache / "vms" / f"kvm-{digest([_machine().encode()])}"
    if not kept.exists():
        kept.write_text("works" if _trial(base) else "fails")
    return kept.read_text() == "works"


def _machine() -> str:
    processor = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return f"{platform.release()} {processor} {qemu_version()}"


def qemu_version() -> str:
    done = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def _trial(base: Base) -> bool:
    machine = ("-machine", "q35,accel=kvm", "-cpu", "host", "-m", "256", "-no-reboot", "-nodefaults")
    boot = ("-kernel", base.kernel, "-initrd", base.initrd, "-append", "console=ttyS0 quiet lab.trial")
    try:
        done = subprocess.run(
            ["qemu-system-x86_64", *machine, *boot, "-display", "none", "-serial", "stdio"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TRIAL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and _SAYS in done.stdout
