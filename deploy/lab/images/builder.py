"""
A Docker daemon for building images, used for a moment and gone.

It lives in the machine's own network (the lab's nodes have no way out) but in a mount and a PID namespace of its own,
with a bridge that leads nowhere and no firewall rules, so a Docker that runs already notices nothing. All its processes
and mounts end with the process that started it, however that ends. Its layers stay in the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException

from deploy.lab.kernel.idle_bridge import idle_bridge
from deploy.lab.kernel.idle_bridge import remove as remove_bridge

Progress = Callable[[str], None]

START_SECONDS = 60.0
STOP_SECONDS = 20.0

# A containerd of the machine would get our containers but cannot see our mounts: hide its sockets from our daemon, and
# ours from the machine.
_LAUNCH = 'mkdir -p /run/containerd; mount -t tmpfs tmpfs /run/containerd; exec "$@"'


class BuildFailed(Exception):
    """An image could not be made. The text says which and why."""


@contextlib.contextmanager
def builder(root: Path, registry: str) -> Iterator[docker.DockerClient]:
    """
    A client of a Docker daemon with its layers in ``root``, that may push to the plain-HTTP ``registry``.

    One at a time for each ``root`` (the caller holds a lock). Raises BuildFailed when it does not start, and LabError.
    """
    tidy(root)  # what a killed one left
    root.mkdir(parents=True, exist_ok=True)
    runtime, parent = _names(root)
    runtime.mkdir(mode=0o700)
    # Not the configuration of a Docker that the machine runs.
    (runtime / "daemon.json").write_text("{}")
    log = root.parent / "builder.log"
    with contextlib.ExitStack() as left:
        left.callback(tidy, root)
        bridge = left.enter_context(idle_bridge(root))
        output = left.enter_context(log.open("wb"))
        command = _command(root, runtime, registry, parent, bridge)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        left.callback(_stop, process)
        yield left.enter_context(contextlib.closing(_connect(runtime / "docker.sock", process, log)))


def tidy(root: Path) -> None:
    """Remove what a daemon for ``root`` left outside of it. The caller knows that none runs."""
    runtime, parent = _names(root)
    _remove_cgroups(parent)
    remove_bridge(root)
    shutil.rmtree(runtime, ignore_errors=True)


def _names(root: Path) -> tuple[Path, str]:
    """Folder for sockets (a socket's path must be short) and control group, the same each time."""
    name = f"reberth-build-{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:8]}"
    return Path("/run") / name, f"/{name}"


def build(
    client: docker.DockerClient, folder: Path, tag: str, arguments: Mapping[str, str], dockerfile: str = "Dockerfile"
) -> None:
    """Build ``folder`` as ``tag`` with the classic builder, in the machine's network. Raises BuildFailed."""
    try:
        client.images.build(
            path=str(folder),
            dockerfile=dockerfile,
            tag=tag,
            buildargs=dict(arguments),
            network_mode="host",
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        tail = "".join(str(line.get("stream", "")) for line in error.build_log)[-3000:]
        raise BuildFailed(f"building {tag} failed: {error}\n{tail}") from error
    except (APIError, DockerException) as error:
        raise BuildFailed(f"building {tag} failed: {error}") from error


def push(client: docker.DockerClient, tag: str) -> None:
    """Push an image to its registry. Raises BuildFailed."""
    repository, _, version = tag.rpartition(":")
    for line in client.images.push(repository, version, stream=True, decode=True):
        if "error" in line:
            raise BuildFailed(f"pushing {tag} failed: {line['error']}")


def _command(root: Path, runtime: Path, registry: str, parent: str, bridge: str) -> list[str]:
    namespaces = ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child"]
    daemon = [
        "dockerd",
        f"--data-root={root.absolute()}",
        f"--exec-root={runtime}/exec",
        f"--pidfile={runtime}/docker.pid",
        f"--host=unix://{runtime}/docker.sock",
        f"--insecure-registry={registry}",
        f"--cgroup-parent={parent}",
        "--exec-opt=native.cgroupdriver=cgroupfs",
        f"--bridge={bridge}",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        f"--config-file={runtime}/daemon.json",
        "--max-concurrent-uploads=2",
    ]
    return [*namespaces, "sh", "-c", _LAUNCH, "sh", *daemon]


def _connect(socket: Path, process: subprocess.Popen[bytes], log: Path) -> docker.DockerClient:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(DockerException, OSError):
            client = docker.DockerClient(base_url=f"unix://{socket}", timeout=900)
            client.ping()
            return client
        time.sleep(0.1)
    raise BuildFailed(f"the Docker daemon for building did not start: {log.read_text(errors='replace')[-1500:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask, so that its layers are written down; then end the PID namespace, which no process of it survives."""
    for init in _children(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(init, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _remove_cgroups(parent: str) -> None:
    """Remove the empty groups that the daemon left under its parent, in each hierarchy."""
    top = Path("/sys/fs/cgroup")
    for group in (top, *top.glob("*")):
        ours = group / parent.lstrip("/")
        if ours.is_dir():
            for folder in sorted((ours, *ours.rglob("*/")), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
