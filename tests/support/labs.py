"""One real lab for all tests of a session: made when the first test asks, taken down when the process ends."""

from __future__ import annotations

import atexit
import functools
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from deploy.lab import swarm
from deploy.lab.debian.packages import ensure_packages
from deploy.lab.kernel import loop_devices
from deploy.lab.lab import Lab, LabSpec
from deploy.lab.names import Layout

MIB = 2**20
BY_ID = "/dev/disk/by-id/reberth-lab-"


def spec(name: str, third: int, managers: int = 3) -> LabSpec:
    """Names and networks of one process; ``third`` tells its labs apart."""
    number = (os.getpid() * 4 + third) % 25600
    return LabSpec(
        name=f"{name}{os.getpid()}",
        managers=managers,
        heartbeat="1s",
        subnet=f"10.{100 + number // 256}.{number % 256}.0/24",
        cache=Path(tempfile.gettempdir()) / f"reberth-lab-test-{os.getpid()}",
    )


@functools.cache
def shared_lab() -> Lab:
    ensure_packages(print)
    wanted = spec("t", 0)
    atexit.register(shutil.rmtree, wanted.cache, ignore_errors=True)  # after the next one: last in, first out
    atexit.register(Lab.remove, wanted.name)
    return Lab.up(wanted, print, lambda storage: on_xfs(wanted.cache / "xfs", storage))


def on_xfs(image: Path, storage: Path) -> None:
    """The lab's disks are on a file system that clones files; it goes with the lab."""
    if os.path.ismount(storage):
        return
    storage.mkdir(parents=True)
    image.parent.mkdir(parents=True, exist_ok=True)
    for words in (f"truncate -s 20G {image}", f"mkfs.xfs -q {image}", f"mount -o loop {image} {storage}"):
        subprocess.run(words.split(), check=True)


def vm(lab: Lab, node: str) -> str:
    return lab.node(node).vm


def ask(lab: Lab, act: str, node: str, *disks: str, epoch: int = 1) -> list[str]:
    """Attach or detach; the outcomes."""
    answers = lab.host.call("POST", f"/v1/vms/{vm(lab, node)}/{act}", {"disks": disks, "epoch": epoch})
    return [answer["outcome"] for answer in cast("list[dict[str, str]]", answers)]


def make_disk(lab: Lab, name: str, size: int = 64 * MIB) -> str:
    lab.host.call("PUT", f"/v1/disks/{name}", {"size_bytes": size})
    return name


def sh(lab: Lab, node: str, script: str) -> str:
    done = lab.exec(node, ["sh", "-ec", script])
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(holds: Callable[[], Any], what: str, seconds: float = 90) -> None:
    """A manager that has just lost its leader answers with an error: asked again until the time is over."""
    deadline = time.monotonic() + seconds
    while complaint := _complaint(holds):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s ({complaint})"
        time.sleep(0.1)


def _complaint(holds: Callable[[], Any]) -> str:
    try:
        return "" if holds() else "it does not hold"
    except swarm.NO_ANSWER as error:
        return str(error)


def states(lab: Lab, manager: str = "swarm01") -> dict[str, str]:
    return swarm.states(lab.node(manager))


def loop_disks(lab: Lab) -> dict[str, str]:
    """Disk -> VM, as the kernel's loop devices say."""
    return {image.stem: image.parent.name for image in loop_devices.backed_under(Layout(lab.spec.name).machines)}


def listed(lab: Lab) -> dict[str, str]:
    return {held["disk"]: held["vm"] for held in cast("list[dict[str, str]]", lab.host.call("GET", "/v1/attachments"))}


def busybox() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
    return buffer.getvalue()


def mount(lab: Lab, node: str, disk: str, fstype: str, make: bool = True) -> None:
    if make:
        sh(lab, node, f"mkfs.{fstype} -q {BY_ID}{disk}")
    sh(lab, node, f"mkdir -p /run/disk && mount {BY_ID}{disk} /run/disk")
