"""Lines that are written and synced one by one in a service's container, beside a load; and whether they are there."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble, wait_for
from tests.drills.day.swarm import Swarm

LINE = 512  # bytes
SCRIPT = """
file=/data/lines.$1; pad=$(printf %503s '' | tr ' ' x); n=0; : >$file; sync $file /data
(while :; do dd if=/dev/zero of=/data/load bs=256k count=20 conv=fsync 2>/dev/null; sleep 0.2; done) &
while :; do n=$((n+1)); printf '%08d%s\\n' $n "$pad" >>$file && sync -d $file || exit 1; echo $n; done
"""


def line(number: int) -> bytes:
    return f"{number:08d}{'x' * 503}\n".encode()


class Writer:
    """Begins a new file in each container that it finds. ``acked``: by file, the last line that is on the disk."""

    def __init__(self, swarm: Swarm, service: str) -> None:
        self._swarm = swarm
        self.service = service
        self.acked: dict[int, int] = {}
        self._stop = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._running is not None:
            self._running.kill()
        self._thread.join(30)

    def total(self) -> int:
        return sum(self.acked.values())

    def _run(self) -> None:
        session = 0
        while not self._stop.is_set():
            session += 1
            try:
                node = self._swarm.newest_runs(self.service)
                if node:
                    self._write(node, session)
            except (*Trouble, DrillError, OSError, KeyError):
                pass  # the node, or a manager, is the one that was hit
            self._stop.wait(0.5)

    def _write(self, node: str, session: int) -> None:
        label = f"label=com.docker.swarm.service.name={self.service}"
        found = self._swarm.docker(node, "ps", "-q", "--no-trunc", "--filter", label).split()
        if len(found) != 1:
            return
        words = ["docker", "exec", found[0], "sh", "-c", SCRIPT, "sh", str(session)]
        environment = self._swarm.lab.environment(node)
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
            self._running = running
            assert running.stdout is not None
            for said in running.stdout:
                self.acked[session] = int(said)

    def goes_on(self, seconds: float = 120.0) -> None:
        """Ten more lines."""
        enough = self.total() + 10
        wait_for(lambda: "" if self.total() >= enough else f"nothing is written to {self.service}", seconds, 0.1)

    def lost(self, acked: dict[int, int]) -> int:
        """Acknowledged bytes that the volume does not have, as its container reads it."""
        missing = 0
        for session, count in acked.items():
            words = ("head", "-c", str(count * LINE), f"/data/lines.{session}")
            missing += _missing(self._swarm.inside(self.service, *words).encode() + b"\n", count)
        return missing


def lost_on(folder: Path, acked: dict[int, int]) -> int:
    """The same of a file system that is mounted here."""
    missing = 0
    for session, count in acked.items():
        path = folder / "data" / f"lines.{session}"
        missing += _missing(path.read_bytes() if path.exists() else b"", count)
    return missing


def _missing(found: bytes, count: int) -> int:
    return sum(LINE for n in range(count) if found[n * LINE : (n + 1) * LINE] != line(n + 1))
