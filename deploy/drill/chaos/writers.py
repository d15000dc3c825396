"""Services that write all the time, each into a volume of its own, and what is read back from them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from docker.errors import APIError

from deploy.drill.chaos.databases import MARIADB, MARIADB_FOLDER, READ_MARIADB, READ_REDIS, REDIS, REDIS_FOLDER
from deploy.drill.chaos.lines import judge, parse
from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Place
from deploy.drill.swarm.scenario import Scenario

PYTHON = "/opt/reberth/bin/python"
CONNECT, ANSWER = 3.0, 30.0  # seconds, of a writer's published port
SECOND = 10**9  # Docker's durations are nanoseconds
_APPEND = """
import os, time, signal
path, who = "/data/lines", os.environ["REBERTH_TASK"]
handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
text = os.pread(handle, 1 << 30, 0).decode(errors="replace")
os.fsync(handle)
if text and not text.endswith("\\n"):
    os.write(handle, b"\\n")
numbers = [int(l.split()[0]) for l in text.splitlines() if len(l.split()) == 3 and l.split()[0].isdigit()]
number = numbers[-1] if numbers else 0
while True:
    number += 1
    os.write(handle, f"{number} {who} {time.time():.3f}\\n".encode())
    os.fsync(handle)
    time.sleep(0.1)
"""
_SQLITE = """
import os, sqlite3, time
base = sqlite3.connect("/data/base.sqlite", isolation_level=None)
base.execute("pragma journal_mode=wal"); base.execute("pragma synchronous=full")
base.execute("create table if not exists line (number integer primary key, writer text, at real)")
number = base.execute("select coalesce(max(number), 0) from line").fetchone()[0]
while True:
    number += 1
    base.execute("insert into line values (?, ?, ?)", (number, os.environ["REBERTH_TASK"], time.time()))
    time.sleep(0.1)
"""
LISTENS = 7999  # port in the container
# Whoever connects is told how the reader ended, how long what it said is, and what it said.
_ANSWER = """
import socketserver, subprocess, threading
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        done = subprocess.run([sys.executable, "-c", READER], capture_output=True)
        body = done.stderr if done.returncode else done.stdout
        self.request.sendall(b"%d %d\\n" % (done.returncode, len(body)) + body)
socketserver.ThreadingTCPServer.daemon_threads = True
threading.Thread(target=socketserver.ThreadingTCPServer(("", PORT), Answer).serve_forever, daemon=True).start()
"""
_READ_LINES = "import sys; sys.stdout.write(open('/data/lines', errors='replace').read())"
_READ_BASE = """
import sqlite3
base = sqlite3.connect("/data/base.sqlite")
said = base.execute("pragma integrity_check").fetchone()[0]
assert said == "ok", said
for row in base.execute("select number, writer, at from line order by rowid"):
    print(*row)
"""


@dataclass(slots=True)
class Writer:
    """
    ``stubborn``: it ignores SIGTERM, as a container that hangs does; Swarm kills it after its grace period.
    ``published``: a port of the node where it runs, for who cannot run commands in its container: there it says what it
    has written.
    """

    name: str
    program: str
    reader: str
    image: str = ""  # that of Reberth, which has Python; else programs are of the shell
    folder: str = "/data"
    fstype: str = "ext4"
    stubborn: bool = False
    grace: int = 5  # seconds that it has to end
    constraints: tuple[str, ...] = ()
    stack: str = "chaos"
    options: Mapping[str, str] = field(default_factory=lambda: {"size": "512MiB"})
    labels: Mapping[str, str] = field(default_factory=dict)  # of the service
    published: int = 0
    listens: int = LISTENS
    least: int = 0  # the last number that was read back

    @property
    def service(self) -> str:
        return f"{self.stack}_{self.name}"

    @property
    def volume(self) -> str:
        return f"{self.stack}-{self.name}"

    def template(self, image: str) -> dict[str, Any]:
        return {
            "ContainerSpec": {
                "Image": self.image or image,
                "Command": self._command(),
                "Env": ["REBERTH_TASK={{.Task.ID}}"],
                "StopGracePeriod": self.grace * SECOND,
                "Mounts": [
                    {
                        "Type": "volume",
                        "Source": self.volume,
                        "Target": self.folder,
                        "VolumeOptions": {
                            "NoCopy": True,
                            "DriverConfig": {
                                "Name": "reberth",
                                "Options": {"fstype": self.fstype, **self.options},
                            },
                        },
                    }
                ],
            },
            "RestartPolicy": {"Condition": "any", "Delay": SECOND},
            "Placement": {"Constraints": list(self.constraints)},
        }

    def _command(self) -> list[str]:
        if self.image:
            return ["sh", "-c", self.program]
        answer = "signal.SIG_IGN" if self.stubborn else "lambda *_: sys.exit()"  # a first process has no default one
        prologue = f"import signal, sys\nsignal.signal(signal.SIGTERM, {answer})\n"
        if self.published:
            prologue += f"READER, PORT = {self.reader!r}, {self.listens}\n{_ANSWER}"
        return [PYTHON, "-c", prologue + self.program]

    def deploy(self, scenario: Scenario) -> None:
        self.create(scenario, self.template(scenario.stacks.variables["REBERTH_IMAGE"]))

    def create(self, scenario: Scenario, template: Mapping[str, Any]) -> None:
        port = {"Protocol": "tcp", "TargetPort": self.listens, "PublishedPort": self.published, "PublishMode": "host"}
        try:
            scenario.cluster.api().create_service(
                name=self.service,
                labels=dict(self.labels),
                task_template=template,
                update_config={"Parallelism": 1, "Order": "stop-first"},
                mode={"Replicated": {"Replicas": 1}},
                endpoint_spec={"Ports": [port]} if self.published else None,
            )
        except APIError as error:
            if error.status_code != 409:
                raise

    def place(self, scenario: Scenario) -> Place:
        return scenario.cluster.place_of(self.service)

    def audit(self, scenario: Scenario) -> tuple[str, ...]:
        """Sentences. Raises DrillError and what Docker raises while it cannot be read."""
        place = self.place(scenario)
        code, out, error = self._read(scenario, place)
        if code != 0:
            raise DrillError(f"{self.name} cannot be read on {place.node}: {error.strip()[-300:]}")
        lines, torn = parse(out.decode(errors="replace"))
        found = tuple(judge(self.name, lines, torn, self.least))
        self.least = max(self.least, lines[-1].number if lines else 0)
        return found

    def _read(self, scenario: Scenario, place: Place) -> tuple[int, bytes, str]:
        if self.published:
            return asked(scenario.lab.node(place.node).address, self.published)
        return scenario.cluster.run(place.node, place.container, "sh" if self.image else PYTHON, "-c", self.reader)


def asked(address: str, port: int) -> tuple[int, bytes, str]:
    """What a writer with a published port says of itself. Raises OSError; DrillError for an answer that broke off."""
    with socket.create_connection((address, port), CONNECT) as connection:
        connection.settimeout(ANSWER)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\n")
    words = head.split()
    if len(words) != 2 or not all(word.lstrip(b"-").isdigit() for word in words) or len(body) != int(words[1]):
        raise DrillError(f"the answer of {address}:{port} broke off after {len(answer)} bytes")
    code = int(words[0])
    return code, b"" if code else body, body.decode(errors="replace") if code else ""


def stubborn(name: str, grace: int, *constraints: str) -> Writer:
    """It appends, and Swarm has to kill it."""
    return Writer(name, _APPEND, _READ_LINES, stubborn=True, grace=grace, constraints=constraints)


def writers(services: str = "") -> list[Writer]:
    """``services``: the image of MariaDB and Redis, if there is one."""
    databases = [
        Writer("mariadb", MARIADB, READ_MARIADB, services, MARIADB_FOLDER),
        Writer("redis", REDIS, READ_REDIS, services, REDIS_FOLDER),
    ]
    return [
        Writer("append", _APPEND, _READ_LINES),
        replace(stubborn("stubborn", 10), fstype="xfs"),
        Writer("sqlite", _SQLITE, _READ_BASE),
        *(databases if services else ()),
    ]


def numbers(found: list[Writer]) -> Mapping[str, int]:
    return {each.name: each.least for each in found}
