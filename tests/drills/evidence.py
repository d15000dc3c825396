"""
What a failed drill leaves for a person, while the lab stands: each machine's power, what its engine says of the swarm,
what an engine waits for that Swarm calls down although its machine is on, and the ends of the logs.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from deploy.lab.lab import Lab
from deploy.lab.names import LabError, Layout

LINES = 12  # of each log: a report with a dozen machines is still read
WIDTH = 300  # characters of a line
_TALK, _START = "level=info", "Starting up"  # what an engine says of itself all the time, and when it begins anew
# What each start says where the kernel has neither IPVS nor VLANs, and each push of an image.
_NOISE = ("net.ipv4.vs.", "default vlan", "blob unknown")
_SECONDS = 10  # for an engine to answer: one that does not is what we look for
_STACKS = 6  # goroutines of one engine, and functions of each
_FUNCTIONS = 14
# As Go prints a goroutine that waits for long, then a function and its place, in turns.
_WAITING = re.compile(r"^goroutine \d+ \[[^\]]*\d+ minutes[^\]]*\]:$", re.MULTILINE)
# The agent's own loop, which answers Swarm, and what may hold it up; not what always waits.
_TELLING = (
    *("agent.(*Agent).run(", "agent.(*session)", "cluster/executor", "plugins.(*Client)"),
    *("(*Daemon).setupIngress", "(*Daemon).SystemInfo", "libnetwork.(*sandbox)"),
)


class Watched:
    """The lab is told of when a test fails meanwhile."""

    names: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self.names.append(self._name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.names.remove(self._name)


def sections() -> list[tuple[str, str]]:
    """For pytest's report: a heading and a text for each lab that is watched now. Never raises for a broken lab."""
    return [(f"the lab {name}", "\n".join((*_machines(name), *_logs(Layout(name).store)))) for name in Watched.names]


def _machines(name: str) -> list[str]:
    try:
        lab = Lab.find(name)
        if lab is None:
            return []
        powers = {node.name: lab.power(node.name) for node in lab.nodes}
        engines = [line for node, power in powers.items() if power == "on" for line in engine(lab, node)]
        return [*(f"{node} is {power}" for node, power in powers.items()), *engines]
    except (LabError, OSError, subprocess.SubprocessError) as error:
        return [f"no machine's power is known: {error}"]


def engine(lab: Lab, node: str) -> list[str]:
    """What the engine of a node that is on says of the swarm; where it is called down there, also what it waits for."""
    swarm = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Error}}"
    state = _said(lab, node, "docker", "info", "--format", swarm)
    nodes = _said(lab, node, "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
    down = any(line.startswith((f"{node} Down", f"{node} Unknown")) for line in nodes.splitlines())
    return [f"{node} says: {state}; {'; '.join(nodes.splitlines())}", *(_waits(lab, node) if down else [])]


def _said(lab: Lab, node: str, *command: str) -> str:
    try:
        done = lab.exec(node, command, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no answer to {' '.join(command[:2])} within {_SECONDS} s"
    return (done.stdout + done.stderr).strip()


def _waits(lab: Lab, node: str) -> Sequence[str]:
    """What an engine that answers no one waits for: it writes its goroutines when it is asked by a signal."""
    written = "pkill -USR1 -x dockerd; sleep 2; cat /run/docker/goroutine-stacks-*.log"
    return waiting(_said(lab, node, "sh", "-c", written))


def waiting(dump: str) -> list[str]:
    """``dump``: all goroutines, as Go prints them. Those of Swarm's agent that have waited for minutes, a line each."""
    headings = [*_WAITING.finditer(dump)]
    texts = [dump[each.start() :].split("\n\n", 1)[0] for each in headings]
    told = [text.splitlines() for text in texts if any(word in text for word in _TELLING)]
    return [
        f"{lines[0]} {' < '.join(line.rsplit('/', 1)[-1].partition('(0x')[0] for line in lines[1::2][:_FUNCTIONS])}"
        for lines in told[:_STACKS]
    ]


def _logs(store: Path) -> list[str]:
    found = []
    for path in sorted((*store.glob("*.log"), *store.glob("nodes/*/*.log"))):
        lines = [line[:WIDTH] for line in path.read_text(errors="replace").splitlines() if _tells(line)]
        found += ["", f"{path.relative_to(store)}, the last ones of {len(lines)} lines:", *lines[-LINES:]]
    return found


def _tells(line: str) -> bool:
    return _START in line or not any(word in line for word in (_TALK, *_NOISE))
