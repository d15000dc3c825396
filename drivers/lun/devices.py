"""
The way out of the device cgroup: Docker lets no container of a Swarm service open a disk, and a service can name none.

The stack file (deploy/lun.yml) gives the controllers the host's control groups. The process enters the topmost one,
which forbids no device. The container's first process stays where it is: a group without any might be removed, and with
it Docker's way in for the health check.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drivers.shared.settings import SettingsError

PLACE = Path("/host")
_CLONE_NEWCGROUP = 0x02000000


def leave(place: Path = PLACE) -> None:
    """Nothing is done where the stack gave no way out: that is no container. Raises SettingsError."""
    namespace, groups = place / "cgroup-namespace", place / "cgroup"
    if not namespace.exists():
        return
    try:
        old = (groups / "devices").is_dir()  # cgroup v1: each controller has groups of its own
        with ThreadPoolExecutor(1) as thread:  # which alone changes its view of the groups
            thread.submit(_enter, namespace, groups / "devices" if old else groups).result()
    except OSError as error:
        raise SettingsError(
            f"the controller cannot leave its container's control group, so it can open no LUN ({error}): deploy it "
            "with deploy/lun.yml"
        ) from None


def _enter(namespace: Path, groups: Path) -> None:
    """From within the container's own view of the groups the kernel knows no other one."""
    with namespace.open("rb") as host:
        if ctypes.CDLL(None, use_errno=True).setns(host.fileno(), _CLONE_NEWCGROUP):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    fd = os.open(groups / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"0")  # whoever writes it, with all its threads
    finally:
        os.close(fd)
