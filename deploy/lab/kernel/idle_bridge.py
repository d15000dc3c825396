"""
A bridge that leads nowhere, for a Docker daemon in the machine's own network.

A daemon without a bridge (``--bridge=none``) deletes `docker0` when it starts, whosoever it is: dockerd, in
`removeDefaultBridgeInterface`. The containers of a Docker that the machine runs would be cut off.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.kernel.network import exists, run


def bridge_of(root: Path) -> tuple[str, str]:
    """For a daemon with its layers in ``root``: the bridge's name, the same each time, and its address."""
    digest = hashlib.sha256(os.fsencode(root.absolute())).digest()
    return f"rbb{digest.hex()[:8]}", f"169.254.253.{digest[0] // 4 * 4 + 1}/30"


@contextmanager
def idle_bridge(root: Path) -> Iterator[str]:
    """Its name, for ``--bridge``. Raises LabError."""
    name, address = bridge_of(root)
    remove(root)
    try:
        run("ip", "link", "add", name, "type", "bridge")
        run("ip", "address", "add", address, "dev", name)
        yield name
    finally:
        remove(root)


def remove(root: Path) -> None:
    """Also what a program that was killed left."""
    name, _ = bridge_of(root)
    if exists(name):
        run("ip", "link", "delete", name, check=False)
