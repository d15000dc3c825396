"""The gate's root file system: a tar of this container's own image, with the plugin's config.json."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from controller.node.plugin_config import left_out

_CHUNK = 1 << 20
_MADE = ("docker", "plugins", "mnt", "mnt/volumes", "run/docker", "run/docker/plugins")  # mount points of the plugin

_KEPT = frozenset({stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK})  # no device, FIFO or socket


def selected(root: Path, mounted: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Paths of the image below ``root`` that the gate gets, parents first, in a fixed order; never what is mounted."""
    pending = _names(root)
    while pending:
        path = pending.pop()
        status = os.lstat(root / path)
        folder = stat.S_ISDIR(status.st_mode)
        if left_out(path) or (path in mounted and not folder):
            continue
        private = closed(status.st_mode, status.st_uid, status.st_gid)
        if private and not folder:
            continue
        if stat.S_IFMT(status.st_mode) in _KEPT:
            yield path, status
        if folder and not private:
            pending.extend(_below(root, path, mounted))


def _below(root: Path, path: str, mounted: frozenset[str]) -> list[str]:
    return [] if path in mounted else [f"{path}/{name}" for name in _names(root / path)]


def closed(mode: int, uid: int, gid: int) -> bool:
    """
    Whether only another user may read it, such as /var/lib/ceph of the package ceph-common. Root without capabilities
    may not, which is what reads the image here, and what the gate is.
    """
    return uid != 0 and not mode & stat.S_IROTH and not (gid == 0 and mode & stat.S_IRGRP)


def _names(folder: Path) -> list[str]:
    return sorted((child.name for child in folder.iterdir()), reverse=True)


def content_of(root: Path, config: object, mounted: frozenset[str]) -> str:
    """
    A digest of everything that the plugin is made of, the same on every node that has the same image.

    Blocks: reads some 100 MB.
    """
    total = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for path, status in selected(root, mounted):
        total.update(f"{path}\0{status.st_mode}\0{status.st_uid}\0{status.st_gid}\0".encode(errors="surrogateescape"))
        if stat.S_ISLNK(status.st_mode):
            total.update(os.fsencode((root / path).readlink()))
        elif stat.S_ISREG(status.st_mode):
            with (root / path).open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:32]


def content_of_image(image: str, config: object) -> str:
    """The same for an image that Docker knows, by its ID."""
    return hashlib.sha256(f"{image}\0{json.dumps(config, sort_keys=True)}".encode()).hexdigest()[:32]


def read_mountinfo() -> str:
    return Path("/proc/self/mountinfo").read_text()


async def archive(root: Path, config: object, mounted: frozenset[str]) -> AsyncIterator[bytes]:
    """The tar for ``POST /plugins/create``, as it is read: nothing is written to a disk here."""
    source, sink = os.pipe()
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _CHUNK)
    # A reader that stops closes the pipe, which ends the writing thread.
    writing = asyncio.get_running_loop().run_in_executor(None, _write, sink, root, config, mounted)
    try:
        while chunk := await asyncio.to_thread(os.read, source, _CHUNK):
            yield chunk
    finally:
        os.close(source)
        await asyncio.gather(writing, return_exceptions=True)
    writing.result()


def _write(sink: int, root: Path, config: object, mounted: frozenset[str]) -> None:
    with (
        os.fdopen(sink, "wb", buffering=0) as pipe,
        tarfile.open(fileobj=pipe, mode="w|", bufsize=_CHUNK, format=tarfile.PAX_FORMAT) as tar,
    ):
        _add_config(tar, config)
        _add_folder(tar, "rootfs")
        present = set()
        for path, _ in selected(root, mounted):
            tar.add(root / path, f"rootfs/{path}", recursive=False)
            present.add(path)
        for path in _MADE:
            if path not in present:
                _add_folder(tar, f"rootfs/{path}")


def _add_config(tar: tarfile.TarFile, config: object) -> None:
    data = json.dumps(config).encode()
    entry = tarfile.TarInfo("config.json")
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(entry)
