"""A real PostgreSQL from Debian's package, in a folder of its own, for tests of the drill's client."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.ports import free_port

PASSWORD = "only for tests"


def programs() -> Path:
    """The folder of initdb and postgres; installs the package where it is missing, without making a cluster."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        keep = Path("/etc/postgresql-common/createcluster.conf")
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.write_text("create_main_cluster = false\n")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "postgresql-15"]
        subprocess.run(
            [*command, "-o", "DPkg::Lock::Timeout=300"], check=True, env=environment, stdout=subprocess.DEVNULL
        )
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent


class Postgres:
    """One cluster on a loopback port, that can be killed like a machine that loses power."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        shutil.chown(self.folder, "postgres", "postgres")
        shutil.chown(password, "postgres", "postgres")
        options = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
        self._as_postgres("initdb", "-D", str(self.data), *options).wait(120)

    def start(self, *settings: str) -> None:
        options = [word for setting in ("listen_addresses=127.0.0.1", *settings) for word in ("-c", setting)]
        sockets = ["-k", str(self.folder), "-p", str(self.port)]
        self._process = self._as_postgres("postgres", "-D", str(self.data), *sockets, *options)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends all its processes at once, as a power cut does; SIGTERM asks the postmaster alone."""
        if self._process is None:
            return
        if number is signal.SIGKILL:
            self._signal_all(number)
        else:
            self._process.send_signal(number)
        self._process.wait(30)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._process = None

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """The postmaster and its children, each of which leads a session of its own."""
        if self._process is None:
            return
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self._process.pid:
                with suppress(ProcessLookupError):  # a child may end by itself between the look and the signal
                    os.kill(int(status.parent.name), number)
        os.kill(self._process.pid, number)

    def _as_postgres(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                [str(programs() / program), *arguments],
                stdout=log,
                stderr=log,
                user="postgres",
                group="postgres",
                extra_groups=[],
                cwd="/",
            )


@contextmanager
def cluster(folder: Path) -> Iterator[Postgres]:
    """A started cluster; gone with everything that belongs to it at the end."""
    server = Postgres(folder)
    programs()
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.thaw()
        server.kill()
