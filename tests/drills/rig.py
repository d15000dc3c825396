"""One lab for all drills of a test module, and a drill that must pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.drill.cli import complete
from deploy.drill.faults.base import Fault
from deploy.drill.interrupts import delayed
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.progress import Progress
from deploy.drill.report import data
from deploy.drill.report.files import write_json
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.testbed import LabProvider, Testbed
from deploy.lab.lab import Lab
from tests.drills.evidence import Watched


def quick_settings(name: str, subnet: int, folder: Path) -> DrillSettings:
    """With a short heartbeat. ``subnet``: the second number of the addresses; the third comes from our PID."""
    chosen = DrillSettings(
        name=f"{name}{os.getpid()}",
        subnet=f"10.{subnet}.{os.getpid() % 200}.0/24",
        heartbeat="1s",
        delay="0s",
        report=folder,
        steady=2.0,
    )
    return complete(chosen)


@contextmanager
def standing(chosen: DrillSettings, provider: LabProvider | None = None) -> Iterator[Testbed]:
    """A testbed that is ready; nothing of its lab is left afterwards."""
    provider = provider or NamespacesProvider()
    made = Testbed(provider, chosen, Progress(Console(highlight=False)))
    try:
        with Watched(chosen.name):
            made.prepare()
            yield made
    finally:
        made.close()
        with delayed():
            provider.down(chosen)
    assert Lab.leftovers(chosen.name) == ()


@contextmanager
def deployed(settings: DrillSettings, provider: NamespacesProvider, seconds: float = 180) -> Iterator[Scenario]:
    """A lab with Reberth as a user deploys it, and no database; nothing of it is left afterwards."""
    say, cluster = Console(highlight=False).print, None
    try:
        provider.packages(say)
        lab = provider.up(settings, say)
        cluster = Cluster(lab)
        made = Scenario(lab, cluster, provider.stacks(lab, cluster, settings, say), proxy=provider.proxy)
        with Watched(settings.name):
            made.stacks.deploy_system()
            made.ready(seconds)
            yield made
    finally:
        if cluster is not None:
            cluster.close()
        with delayed():
            provider.down(settings)
    assert Lab.leftovers(settings.name) == ()


def drill(testbed: Testbed, fault: Fault) -> data.Report:
    """One round, judged; the lab is ready for the next one afterwards. What it leaves for a failure is said."""
    folder = testbed.settings.report / fault.name
    found = testbed.round(fault)
    write_json(folder / "report.json", found)
    if found.verdict == "fail":
        testbed.collect(folder / "logs")
    assert found.why == (), f"see {folder}: {msgspec.json.encode(found.details.history).decode()}"
    testbed.again(fault)
    return found
