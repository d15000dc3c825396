"""The services in a lab: made on one worker, written to row by row, and looked for after that worker has died."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

from deploy.lab.lab import Lab
from tests.services.kinds import Kind

MANAGER = "swarm01"


@dataclass
class Rows:
    """``asked``: those that were sent; ``kept``: those whose answer came, so they must be there for ever."""

    asked: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Street:
    lab: Lab
    image: str
    postgres: str

    def docker(self, node: str, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.lab.environment(node)}
        return subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, check=False, timeout=timeout
        )

    def make(self, kind: Kind) -> None:
        options = "".join(f",volume-opt={each}" for each in kind.options)
        nocopy = ",volume-nocopy=true" if kind.nocopy else ""
        mount = f"type=volume,source={kind.name},target={kind.target},volume-driver=reberth{options}{nocopy}"
        user = ("--user", kind.user) if kind.user else ()
        words = ("--detach", "--name", kind.name, *user, "--restart-delay", "1s", "--mount", mount)
        places = ("--constraint", "node.role == worker", "--constraint", "node.labels.reberth != down")
        image = self.postgres if kind.postgres else self.image
        made = self.docker(MANAGER, "service", "create", *words, *places, "--entrypoint", "sh", image, "-c", kind.start)
        assert made.returncode == 0, made.stderr

    def inside(self, node: str, kind: Kind, script: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
        """None where no container of it runs on that node."""
        label = f"label=com.docker.swarm.service.name={kind.name}"
        found = self.docker(node, "ps", "-q", "--filter", label).stdout.split()
        return self.docker(node, "exec", found[0], "sh", "-c", script, "sh", *arguments) if found else None

    def rows(self, node: str, kind: Kind) -> list[int] | None:
        """None while it does not answer."""
        answer = self.inside(node, kind, kind.read)
        return None if answer is None or answer.returncode != 0 else [int(row) for row in answer.stdout.split()]

    def keep(self, node: str, kind: Kind, row: int) -> bool:
        answer = self.inside(node, kind, kind.write, str(row))
        return answer is not None and answer.returncode == 0

    def unfit(self, node: str, kind: Kind) -> str:
        """What Swarm and the service say while it does not keep its first row; empty when it does."""
        answer = self.inside(node, kind, kind.write, "1")
        if answer is not None and answer.returncode == 0:
            return ""
        said = "" if answer is None else f"{answer.stdout} {answer.stderr}"
        if answer is not None and "1" in [str(row) for row in self.rows(node, kind) or ()]:
            return ""  # an earlier try was kept, and its answer lost
        form = ("--no-trunc", "--format", "{{.CurrentState}} {{.Error}}")
        tasks = self.docker(MANAGER, "service", "ps", *form, kind.name).stdout
        words = self.docker(MANAGER, "service", "logs", "--tail", "5", kind.name)
        return f"{kind.name} on {node}: {said} {tasks} {words.stdout} {words.stderr}"

    def write_until(self, node: str, kind: Kind, ends: Event, said: Rows) -> None:
        """One row after the other; it ends with the first that is not answered."""
        while not ends.is_set():
            said.asked.append(len(said.asked) + 2)
            if not self.keep(node, kind, said.asked[-1]):
                return
            said.kept.append(said.asked[-1])

    def lose(self, node: str, kinds: tuple[Kind, ...], enough: int) -> dict[str, Rows]:
        """The node loses its power when each service has kept ``enough`` rows, in the middle of the next one."""
        said, ends = {kind.name: Rows() for kind in kinds}, Event()
        with ThreadPoolExecutor(len(kinds)) as pool:
            work = [pool.submit(self.write_until, node, kind, ends, said[kind.name]) for kind in kinds]
            try:
                while not all(len(each.kept) >= enough for each in said.values()):
                    assert not any(each.done() for each in work), {name: len(each.kept) for name, each in said.items()}
                    ends.wait(0.1)
                self.lab.power_off(node)
            finally:
                ends.set()
        return said
