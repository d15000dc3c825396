"""A real dockerd with a swarm of one manager, apart from everything else on the machine, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from deploy.lab.debian.packages import ensure_packages
from deploy.lab.swarm import NO_ANSWER

_OWN_NAMESPACES = ("unshare", "-m", "-n", "-u", "-p", "-f", "--kill-child", "--mount-proc")
_START = """
ip link set lo up && hostname {name} && mount -t tmpfs tmpfs /run &&
exec dockerd --data-root {folder}/data --exec-root /run/docker --pidfile /run/docker.pid \
    --host unix://{folder}/docker.sock --iptables=false --bridge=none --storage-driver=vfs
"""


@dataclass(frozen=True)
class OneNodeSwarm:
    folder: Path

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def certificates(self) -> Path:
        return self.folder / "data/swarm/certificates"

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.url, timeout=30)


@contextmanager
def one_node_swarm(name: str) -> Iterator[OneNodeSwarm]:
    """In namespaces of its own (network, mounts, processes): when its first process is killed, all of it is gone."""
    ensure_packages(print)
    folder = Path(tempfile.mkdtemp(prefix="reberth-test-"))  # short: the path of a socket has at most 107 characters
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_OWN_NAMESPACES, "sh", "-c", _START.format(name=name, folder=folder)],
            stdout=log,
            stderr=log,
            env={**os.environ, "DOCKER_HOST": ""},
        )
    try:
        swarm = OneNodeSwarm(folder)
        _until_ready(swarm, process)
        yield swarm
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _until_ready(swarm: OneNodeSwarm, process: subprocess.Popen[bytes]) -> None:
    """Its socket is there before anybody listens: ready is who answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with closing(swarm.client()) as client:
                client.swarm.init(advertise_addr="127.0.0.1")
        except NO_ANSWER as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (swarm.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"dockerd did not start:\n{log}") from error
            time.sleep(0.1)
        else:
            return
