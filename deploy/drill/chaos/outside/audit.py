"""What can be audited of a swarm from outside, and what cannot."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deploy.drill.chaos.audit import VIOLATED, Auditor, Look
from deploy.drill.chaos.outside.before import Before
from deploy.drill.chaos.outside.refusals import record_of
from deploy.drill.chaos.outside.swarm import OutsideCluster
from deploy.drill.errors import DrillError

LOG_SECONDS = 60.0
UNAUDITED: Mapping[str, str] = {
    "the storage": "where the storage and the kernels have the disks is not asked; Reberth's own word is, by explain",
    "the mounts": "what is mounted in the nodes' kernels is not seen",
    "memory and open files": "the processes of controllers, gates and node services are not seen",
}
"""Looks of a lab's audit that are not had here, and why."""


@dataclass(kw_only=True)
class OutsideAuditor(Auditor):
    cluster: OutsideCluster
    before: Before
    began: int = field(default_factory=lambda: int(time.time()))

    def looks(self) -> dict[str, Look]:
        own: dict[str, Look] = {
            "the records": self._own_records,
            "the logs": self._logged,
            "what Reberth reads": lambda: iter(self.cluster.unread()),
            "other services": lambda: self.before.changed(self.cluster),
            "the nodes' labels": lambda: self.before.labelled(self.cluster),
        }
        return {name: look for name, look in {**Auditor.looks(self), **own}.items() if name not in UNAUDITED}

    def start_fenced(self) -> None:
        self.cluster.switch_on_again()
        if fewer := self.before.fewer(self.cluster):
            raise DrillError(fewer)

    def _own_records(self) -> Iterator[str]:
        there = {str(each["Spec"]["Name"]) for each in self.cluster.api().configs()}
        for volume in (self.database, *(writer.volume for writer in self.writers)):
            if record_of(volume) not in there:
                yield f"{volume} has no record"

    def _logged(self) -> Iterator[str]:
        """Since the run began, by all controllers: Swarm gathers it."""
        command = ["docker", "service", "logs", "--raw", "--since", str(self.began), self.cluster.controller]
        said = subprocess.run(
            command,
            env=self.cluster.lab.environment(self.cluster.manager()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LOG_SECONDS,
        )
        if said.returncode != 0:
            raise DrillError(said.stderr.strip()[-300:])
        if broken := [line for line in (said.stdout + said.stderr).splitlines() if VIOLATED in line]:
            yield f"a law was violated: {broken[-1][:400]}"
