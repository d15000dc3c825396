"""QEMU and libvirt for tests, installed without starting anything; a kernel for guests, unpacked and not installed."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.lab.debian.packages import install
from deploy.lab.vms import packages

CACHE = Path(__file__).parents[2] / ".cache" / "guests"


def ensure() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages.ensure(print)
        if shutil.which("strace") is None:
            install(("strace",), print)  # makes QEMU slow at what a test says


def kernel_package() -> Path:
    """The unpacked package of Debian's kernel for virtual machines, from .cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = CACHE / "kernel"
        if not unpacked.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                subprocess.run(["dpkg", "-x", str(_download(Path(folder))), f"{folder}/root"], check=True)
                Path(folder, "root").rename(unpacked)
        return unpacked


def _download(folder: Path) -> Path:
    depends = _said("apt-cache", "depends", "linux-image-cloud-amd64")
    if "Depends" not in depends:
        _said("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "update")
        depends = _said("apt-cache", "depends", "linux-image-cloud-amd64")
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    assert found is not None, f"linux-image-cloud-amd64 depends on no kernel:\n{depends}"
    # apt's own user may not write into our folder: root downloads.
    options = ("-qq", "-o", "APT::Sandbox::User=root")
    done = subprocess.run(["apt-get", *options, "download", found[1]], cwd=folder, capture_output=True, check=False)
    if done.returncode != 0:
        _said("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "update")
        subprocess.run(["apt-get", *options, "download", found[1]], cwd=folder, check=True)
    return next(folder.glob("*.deb"))


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
