"""QEMU and libvirt, installed without starting anything."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.lab.debian.packages import Progress, install

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = (
    "busybox-static",
    "libvirt-clients",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-system",
    "openssl",
    "python3-libvirt",
    "qemu-system-x86",
    "qemu-utils",
)
_FILES = ("libvirtd", "qemu-system-x86_64", "qemu-img", "busybox", "openssl")
_BINDING = Path("/usr/lib/python3/dist-packages/libvirt.py")


def ensure(progress: Progress) -> None:
    """Quick when nothing is missing. Raises LabError."""
    if not _BINDING.exists() or any(shutil.which(each, path=_PATH) is None for each in _FILES):
        install(_PACKAGES, progress)
