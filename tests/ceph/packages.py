"""Ceph of Debian, and QEMU's way to it, installed without starting anything."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from deploy.lab.debian.packages import install
from tests.libvirtd import packages as libvirtd

_FILES = ("ceph-mon", "ceph-osd", "ceph", "rbd")
_PACKAGES = ("ceph-mon", "ceph-osd", "ceph-common", "qemu-block-extra")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def ensure() -> None:
    """Quick when nothing is missing."""
    libvirtd.ensure()
    with (libvirtd.CACHE / "ceph.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if any(shutil.which(each, path=_PATH) is None for each in _FILES) or not _block_driver():
            install(_PACKAGES, print)


def _block_driver() -> bool:
    return any(Path("/usr/lib").glob("*/qemu/block-rbd.so"))
