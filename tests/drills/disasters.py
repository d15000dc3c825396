"""
Disasters of a whole swarm, and the way back that `reberth explain` names, walked as it is written.

A person who follows the advice reads a sentence and types what stands between backticks. `Disaster.walk` does just
that, and nothing else, until PostgreSQL answers; what it read and typed is in the failure when it does not.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.testbed import Testbed
from deploy.drill.workload.client import CommitClient
from deploy.lab.lab import Lab
from tests.drills.stuck import StuckNodes

COMMAND = re.compile(r"`((?:reberth|docker) [^`]+)`")
WITHIN = 300.0  # seconds for a database to be back
READS = 6.0  # seconds for which the same advice stands before somebody types it: they read it first
AGAIN = 20.0  # seconds after which a person types the same command once more
ASKING = {"adopt", "confirm-dead"}
REBERTH = "/opt/reberth/bin/reberth"
COMMITS = 2.0  # seconds of commits before the disaster


def commands(advice: str) -> list[list[str]]:
    """What stands between backticks, as words; three dots are for the reader to fill in."""
    return [shlex.split(found.replace("...", "the drill did it")) for found in COMMAND.findall(advice)]


@dataclass(slots=True)
class Disaster:
    testbed: Testbed
    volume: str = "postgres-data"
    trail: list[str] = field(default_factory=list)  # what was read and typed, each once in a row
    _typed: dict[str, float] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)  # since when each command is in the advice

    @classmethod
    def on(cls, testbed: Testbed) -> Disaster:
        """When all is well."""
        testbed.scenario.ready(WITHIN)
        wait_for(testbed.answers, WITHIN)
        return cls(testbed)

    @property
    def scenario(self) -> Scenario:
        return self.testbed.scenario

    @property
    def lab(self) -> Lab:
        assert isinstance(self.scenario.lab, Lab)
        return self.scenario.lab

    @contextmanager
    def survived(self) -> Iterator[str]:
        """Commits before it; then the way back is walked, and every acknowledged row must be there. Gives the node."""
        with CommitClient(self.testbed.target()) as client:
            wait_for(lambda: "" if client.journal.last() else client.problem, WITHIN)
            time.sleep(COMMITS)
            client.stop()
            before = self.scenario.cluster.place()
            yield before.node
            self.walk(client, before.container)
            found = client.settle()
        assert found.acknowledged > 0
        assert found.clean, found

    def walk(self, client: CommitClient, before: str) -> None:
        """Until the rows can be read from another container than ``before``."""
        end = time.monotonic() + WITHIN
        while (problem := self._unread(client, before)) and time.monotonic() < end:
            self._follow()
            time.sleep(2)
        assert not problem, "\n".join([problem, *self.trail])

    def _unread(self, client: CommitClient, before: str) -> str:
        try:
            if self.scenario.cluster.place().container == before:
                return "Swarm still lists the container from before"
            client.read_back()
        except (psycopg.Error, OSError, DrillError, *Trouble) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _follow(self) -> None:
        try:
            told = self.scenario.cluster.explain(self.volume)
        except (DrillError, *Trouble) as error:
            self._note(f"no explanation: {error}")
            return
        self._note(f"{told.placement}: {told.why} CURE: {told.cure}")
        now, asked = time.monotonic(), {shlex.join(words): words for words in commands(told.cure)}
        self._asked = {text: self._asked.get(text, now) for text in asked}
        for text, words in asked.items():
            if now >= self._asked[text] + READS and now > self._typed.get(text, -AGAIN) + AGAIN:
                self._typed[text] = now
                self._note(f"$ {text}: {self._type(words)}")

    def _type(self, words: list[str]) -> str:
        """What asks at a terminal is told in advance that it is meant."""
        try:
            if words[0] == "reberth":
                sure = ["--yes"] if words[1] in ASKING else []
                return self.scenario.cluster.ask_controller(*words[1:], *sure)
            return self.docker(*words[1:])
        except (DrillError, *Trouble) as error:
            return str(error)

    def _note(self, line: str) -> None:
        if not self.trail or self.trail[-1] != line:
            self.trail.append(line)

    def docker(self, *words: str, node: str = "", text: str = "") -> str:
        """The docker command on a manager that answers, or on a node; what it said."""
        environment = {**os.environ, **self.lab.environment(node or self.scenario.cluster.manager())}
        done = subprocess.run(
            ["docker", *words], env=environment, capture_output=True, input=text, text=True, check=False, timeout=120
        )
        return (done.stdout + done.stderr).strip()

    def import_records(self, backup: str) -> str:
        """As it is typed on a manager: the file is the command's standard input."""
        node, container = self.scenario.cluster.controllers()[0]
        return self.docker("exec", "-i", str(container.id), REBERTH, "import", node=node, text=backup)

    # -- the disasters -------------------------------------------------------------------------------------------

    def power_off_all(self) -> None:
        for node in self.lab.nodes:
            self.lab.power_off(node.name)

    def power_on_all(self) -> None:
        for node in self.lab.nodes:
            self.lab.power_on(node.name)
        wait_for(StuckNodes(self.scenario.cluster, self.lab).all_ready, WITHIN)

    def lose_records(self) -> None:
        """Somebody sweeps up by force: the services that keep the records, and then all that no service names."""
        keepers = self.docker("service", "ls", "-q", "--filter", "name=reberth-records-").split()
        assert keepers
        self.docker("service", "rm", *keepers)
        swept = self.docker("config", "rm", *self.docker("config", "ls", "-q").split())
        left = [each for each in self.docker("config", "ls", "--format", "{{.Name}}").split() if "volume" in each]
        assert not left, (left, swept)

    def lose_node(self, node: str) -> None:
        """It loses its power, Swarm sees it down, and somebody removes it for good."""
        self.lab.power_off(node)
        self.scenario.cluster.avoid = node
        wait_for(lambda: self._down(node), WITHIN)
        if any(machine.name == node and machine.manager for machine in self.lab.nodes):
            self.docker("node", "demote", node)
        said = self.docker("node", "rm", "--force", node)
        assert node in said, said
        wait_for(lambda: "" if node not in self.scenario.cluster.hostnames().values() else "it is listed", WITHIN)

    def _down(self, node: str) -> str:
        states = {each["Description"]["Hostname"]: each["Status"]["State"] for each in self.scenario.cluster.nodes()}
        return "" if states.get(node) == "down" else f"{node} is {states.get(node)}"

    def join_again(self, node: str) -> None:
        """The machine is repaired, forgets the swarm that forgot it, and joins as a new manager."""
        self.lab.power_on(node)
        wait_for(lambda: self.answers(node), WITHIN)
        self.docker("swarm", "leave", "--force", node=node)
        manager = self.scenario.cluster.manager()
        token = self.docker("swarm", "join-token", "-q", "manager", node=manager)
        address = self.lab.node(manager).address
        own = self.lab.node(node).address
        said = self.docker("swarm", "join", "--token", token, "--advertise-addr", own, f"{address}:2377", node=node)
        assert "joined" in said or "background" in said, said
        self.scenario.cluster.avoid = ""

    def answers(self, node: str) -> str:
        try:
            self.scenario.cluster.client(node).ping()
        except Trouble as error:
            return f"the engine of {node} does not answer: {error}"
        return ""
