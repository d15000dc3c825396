"""
PID 1 of a lab node: makes the node's view of the machine, then keeps dockerd running and reaps what dies.

Run as a file by the machine's python inside fresh namespaces, so it uses the standard library only. Killing it is the
node's power-off. Its one argument is the path of a JSON file, see `Boot` in machine.py.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_CONTAINER_STORES = ("/var/lib/docker/", "/var/lib/containerd/", "/var/lib/containers/", "/run/reberth-lab/")
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "kmsg": (1, 11),
    "tty": (5, 0),
    "fuse": (10, 229),
}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
# As README advises for managers: a connection to a machine that lost its power ends after 13 s instead of 924 s.
_SYSCTLS = {"net/ipv4/tcp_retries2": "5"}
_BOOTED = "/run/reberth-lab/booted"  # `Layout.node_booted`, seen from inside
_RESTART_DELAY = 2.0  # as Debian's docker.service (RestartSec)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def drop_foreign_mounts() -> None:
    """
    Let go of what this mount namespace copied from the machine but must not hold.

    Else a disk mounted on the machine, or a container's layer there, would stay busy as long as this node lives.
    """
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for words in reversed([line.split() for line in lines]):
        path = words[4].encode().decode("unicode_escape")
        foreign = words[2].startswith("7:") or f"{path}/".startswith(_CONTAINER_STORES)
        if foreign and path != "/":
            subprocess.run(["umount", "--lazy", path], check=False)


def mount_kernel_file_systems(keep: Path) -> None:
    """The machine's cgroups, but a sysfs of our own network namespace."""
    keep.mkdir()
    mount("--rbind", "/sys/fs/cgroup", str(keep))
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", str(keep), "/sys/fs/cgroup")
    subprocess.run(["umount", "--recursive", "--lazy", str(keep)], check=True)
    keep.rmdir()


def mount_etc(store: Path, address: str, hostname: str) -> None:
    """
    A private /etc above the machine's, kept over power cycles.

    No nameserver: one that cannot be reached costs seconds at each start of a container. An empty file makes
    resolvers fail at once.
    """
    upper, work = store / "etc", store / "etc.work"
    upper.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    mount("-t", "overlay", "-o", f"lowerdir=/etc,upperdir={upper},workdir={work}", "overlay", "/etc")
    for name, text in {
        "resolv.conf": "# The lab's nodes have no way out.\n",
        "hostname": f"{hostname}\n",
        "hosts": f"127.0.0.1 localhost\n{address} {hostname}\n",
    }.items():
        path = Path("/etc") / name
        path.unlink(missing_ok=True)  # may be a link into the machine's /run
        path.write_text(text)


def fill_dev(dev: Path) -> None:
    for name, (major, minor) in _DEVICES.items():
        os.mknod(dev / name, 0o666 | 0o020000, os.makedev(major, minor))
        (dev / name).chmod(0o666)
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir()
    mount("--bind", str(dev), "/dev")
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", "/dev/pts")
    mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmpfs", "/dev/shm")  # noqa: S108 - the place itself
    mount("-t", "mqueue", "mqueue", "/dev/mqueue")


def wait_for_network(address: str) -> None:
    """The machine host puts the cable in from outside; its end here is called eth0."""
    deadline = time.monotonic() + 20
    while True:
        with suppress(OSError):
            socket.if_nametoindex("eth0")
            break
        if time.monotonic() > deadline:
            sys.exit("No network interface came within 20 s: the machine host died while it started this node.")
        time.sleep(0.005)
    for arguments in ("link set lo up", f"address add {address} dev eth0", "link set eth0 up"):
        subprocess.run(["ip", *arguments.split()], check=True)


def prepare(boot: dict[str, Any]) -> None:
    mount("-t", "proc", "proc", "/proc")
    fill_dev(Path(boot["dev"]))  # before /run is covered: it lies there
    drop_foreign_mounts()
    mount("--bind", boot["run"], "/run")
    socket.sethostname(boot["hostname"])
    mount_kernel_file_systems(Path("/run/cgroup"))
    store = Path(boot["store"])
    mount_etc(store, boot["address"].partition("/")[0], boot["hostname"])
    data = store / "docker"
    data.mkdir(exist_ok=True)
    mount("--bind", str(data), "/var/lib/docker")
    wait_for_network(boot["address"])
    for name, value in _SYSCTLS.items():
        Path("/proc/sys", name).write_text(value)
    for stale in (*data.glob("*.pid"), *data.glob("containerd/**/*.pid")):
        stale.unlink()  # a left-over PID may be somebody else's now: dockerd would not start
    Path(_BOOTED).touch()


def supervise(boot: dict[str, Any]) -> None:
    """Keep dockerd running, as systemd would; reap the orphans of this namespace for ever."""
    dockerd = 0
    again = 0.0
    while True:
        if not dockerd and time.monotonic() >= again:
            dockerd = subprocess.Popen(boot["dockerd"]).pid
        ended = reap(dockerd, again)
        if ended and ended == dockerd:
            dockerd, again = 0, time.monotonic() + _RESTART_DELAY


def reap(dockerd: int, again: float) -> int:
    """The PID of one ended child; 0 when it is time to start dockerd again."""
    if dockerd:
        return os.wait()[0]
    while time.monotonic() < again:
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.1)
    return 0


def main() -> None:
    os.umask(0o022)
    boot = json.loads(Path(sys.argv[1]).read_text())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    prepare(boot)
    supervise(boot)


if __name__ == "__main__":
    if shutil.which("mount") is None:
        sys.exit("mount(8) is missing: install util-linux.")
    main()
