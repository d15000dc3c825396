"""Keeps what a person needs to find out why a drill failed: taken before the lab is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.swarm.cluster import DATABASE, SYSTEM, Cluster, Trouble

SECONDS = 30  # for each question; the lab may be in any state


def collect(lab: SwarmLab, cluster: Cluster, folder: Path, lab_logs: Path | None) -> None:
    """Never raises for what a broken lab cannot tell: what was asked and not answered is in the file instead."""
    folder.mkdir(parents=True, exist_ok=True)
    if lab_logs is not None and lab_logs.is_dir():
        copy(lab_logs, folder)
    try:
        environment = {**os.environ, **lab.environment(cluster.manager())}
    except DrillError as error:
        (folder / "docker.txt").write_text(f"{error}\n")
        return
    _ask(folder / "nodes.txt", environment, "node", "ls")
    for stack in (SYSTEM, DATABASE):
        _ask(folder / f"stack-{stack}.txt", environment, "stack", "ps", "--no-trunc", stack)
    _containers(lab, cluster, folder)


def _ask(path: Path, environment: Mapping[str, str], *words: str) -> None:
    try:
        done = subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        path.write_text(f"{done.stdout}{done.stderr}")
    except subprocess.TimeoutExpired:
        path.write_text(f"`docker {' '.join(words)}` gave no answer within {SECONDS} s\n")


def _containers(lab: SwarmLab, cluster: Cluster, folder: Path) -> None:
    """Each node's own containers: `docker service logs` hangs when one of the service's nodes is dead."""
    for machine in lab.nodes:
        try:
            for container in cluster.client(machine.name).containers.list(all=True, ignore_removed=True):
                text = container.logs(timestamps=True, tail=5000)
                (folder / f"{machine.name}-{str(container.name)[:60]}.log").write_bytes(text)
        except Trouble as error:
            (folder / f"{machine.name}-containers.txt").write_text(f"the engine does not answer: {error}\n")


def copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*source.glob("*.log"), *source.glob("nodes/*/*.log")):  # not all of it: Docker's own data is there too
        if path.is_file():
            shutil.copyfile(path, folder / "-".join(path.relative_to(source).parts))
