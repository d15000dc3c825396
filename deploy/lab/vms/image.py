"""What guests boot from: a kernel, a small initramfs, and a disk image that their own images lie over."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.images.builder import BuildFailed, Progress
from deploy.lab.images.images import Images, digest, only_one
from deploy.lab.vms import bake, tree
from deploy.lab.vms.cpio import Cpio

_SIZE = "8G"  # sparse: of the file system, for what the guests' engines put there
_GUEST = Path(__file__).resolve().parent / "guest"


@dataclass(frozen=True, slots=True)
class Base:
    """``key`` is a digest of everything that it is made of."""

    key: str
    disk: Path
    kernel: Path
    initrd: Path


def ensure_base(cache: Path, registry: str, images: Images, progress: Progress, *, luns: bool = False) -> Base:
    """From the cache, or made. ``luns``: the gate in it may ask for keys on LUNs. Raises BuildFailed."""
    folder = cache / "vms"
    with only_one(folder, progress, "another lab that makes the guests' image"):
        system = tree.ensure_tree(folder, progress)
        key = digest([*_inputs(system, images), b"luns" if luns else b""])
        base = Base(key, folder / f"base-{key}.raw", tree.kernel(system), folder / f"initrd-{key}.gz")
        if not base.disk.exists():
            for old in (*folder.glob("base-*"), *folder.glob("initrd-*")):
                old.unlink()
            progress("pull the images into the guests' system")
            bake.bake(system, registry, (images.reberth, images.postgres), luns=luns)
            progress("make the guests' disk image")
            base.initrd.write_bytes(_initramfs(system))
            _make_disk(system, base.disk)
    return base


def _inputs(system: Path, images: Images) -> Iterator[bytes]:
    yield system.name.encode()
    yield f"{images.reberth} {images.postgres} {_SIZE}".encode()
    for path in sorted(_GUEST.iterdir()):
        yield path.read_bytes()
    for part in (bake, tree):
        yield Path(str(part.__file__)).read_bytes()


def _make_disk(system: Path, disk: Path) -> None:
    new = disk.with_suffix(".new")
    new.unlink(missing_ok=True)
    done = subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-d", str(system), str(new), _SIZE], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(f"mke2fs could not make the guests' disk image: {done.stderr.strip()}")
    new.rename(disk)


def _initramfs(system: Path) -> bytes:
    archive = Cpio()
    for name in ("bin", "proc", "dev", "root"):
        archive.folder(name)
    archive.program("bin/busybox", Path("/bin/busybox").read_bytes())
    archive.program("init", (_GUEST / "initramfs").read_bytes())
    archive.file("virtio_blk.ko", tree.module(system, "virtio_blk"))
    return gzip.compress(archive.end(), 1)
