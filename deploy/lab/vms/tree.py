"""The guests' file system as a folder: Debian's packages with a current Docker, and no system manager."""

from __future__ import annotations

import lzma
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.lab.images import rootfs
from deploy.lab.images.builder import BuildFailed, Progress
from deploy.lab.images.images import digest

SUITE = "trixie"
PACKAGES = (
    *("busybox", "ca-certificates", "iproute2", "iptables", "kmod", "procps", "udev"),
    *("docker-cli", "docker.io", "open-iscsi"),
)
# Unpacked and not installed: its installation makes an initramfs that nobody uses.
_KERNEL = r"""
cd /tmp
name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
apt-get -qq -o APT::Sandbox::User=root download "$name"
dpkg -x linux-image-*.deb /
rm linux-image-*.deb
rm -rf /var/lib/apt/lists/* /var/cache/apt/*
"""
_GUEST = Path(__file__).resolve().parent / "guest"


def _inputs() -> Iterator[bytes]:
    yield Path(__file__).read_bytes()
    yield Path(rootfs.__file__).read_bytes()


def ensure_tree(folder: Path, progress: Progress) -> Path:
    """The tree in the cache folder; made in one to three minutes when it is not there. Raises BuildFailed."""
    tree = folder / f"tree-{digest(_inputs())}"
    if not tree.exists():
        for old in folder.glob("tree-*"):
            shutil.rmtree(old)
        new = folder / "tree.new"
        shutil.rmtree(new, ignore_errors=True)
        progress(f"make the guests' system from Debian's packages ({SUITE})")
        hook = f'--customize-hook=chroot "$1" sh -ec {shlex.quote(_KERNEL)}'
        rootfs.debootstrap(new, SUITE, PACKAGES, "--variant=minbase", hook)
        _unpack_modules(new)
        new.rename(tree)
    _configure(tree)
    return tree


def kernel(tree: Path) -> Path:
    return next((tree / "boot").glob("vmlinuz-*"))


def module(tree: Path, name: str) -> bytes:
    return next(tree.glob(f"lib/modules/*/kernel/**/{name}.ko")).read_bytes()


def _unpack_modules(tree: Path) -> None:
    """An emulated processor takes long to decompress them at each boot."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_unpack, tree.glob("lib/modules/*/kernel/**/*.ko.xz")))
    release = next((tree / "lib/modules").iterdir()).name
    done = subprocess.run(["chroot", tree, "depmod", release], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"depmod failed in the guests' system: {done.stderr.strip()}")


def _unpack(path: Path) -> None:
    path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
    path.unlink()


def _configure(tree: Path) -> None:
    init = tree / "usr/sbin/reberth-init"
    shutil.copyfile(_GUEST / "init", init)
    init.chmod(0o755)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n")
    # Not one line: Docker asks each name server that stands here, and waits for it.
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").write_text("")
    (tree / "etc/modprobe.d/reberth.conf").write_text("blacklist floppy\nblacklist pcspkr\n")
