"""The guest's system: Debian with open-iscsi and Python, and the kernel's own iSCSI target. From the cache, or made."""

from __future__ import annotations

import fcntl
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.images import rootfs
from deploy.lab.images.images import digest
from deploy.lab.vms import image, tree
from tests.libvirtd import packages

_INIT = Path(__file__).parent / "guest" / "init"
_PACKAGES = ("busybox-static", "e2fsprogs", "iproute2", "kmod", "open-iscsi", "python3-minimal", "sg3-utils")
_SIZE = "1200M"  # sparse


@dataclass(frozen=True, slots=True)
class Image:
    disk: Path
    kernel: Path
    initrd: Path


def ensure() -> Image:
    """One to three minutes when it is not there."""
    packages.ensure()
    with (packages.CACHE / "lio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        key = digest([_INIT.read_bytes(), Path(__file__).read_bytes(), Path(tree.__file__).read_bytes()])
        folder = packages.CACHE / f"lio-{key}"
        if not folder.exists():
            new = packages.CACHE / "lio.new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            _make(new)
            shutil.rmtree(new / "tree")
            new.rename(folder)
        return Image(folder / "disk.raw", folder / "vmlinuz", folder / "initrd.gz")


def _make(folder: Path) -> None:
    system = folder / "tree"
    hook = f'--customize-hook=chroot "$1" sh -ec {shlex.quote(tree._KERNEL)}'
    rootfs.debootstrap(system, tree.SUITE, (*_PACKAGES, "python3"), "--variant=minbase", hook)
    tree._unpack_modules(system)
    init = system / "usr/sbin/reberth-init"
    shutil.copyfile(_INIT, init)
    init.chmod(0o755)
    shutil.copyfile(tree.kernel(system), folder / "vmlinuz")
    (folder / "initrd.gz").write_bytes(image._initramfs(system))
    command = ["mke2fs", "-q", "-t", "ext4", "-d", str(system), str(folder / "disk.raw"), _SIZE]
    subprocess.run(command, check=True, capture_output=True)
