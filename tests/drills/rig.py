"""One lab for all drills of a test module, and a drill that must pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.drill import report
from deploy.drill.faults import Fault
from deploy.drill.ground import DrillSettings
from deploy.drill.interrupts import undisturbed
from deploy.drill.progress import Progress
from deploy.drill.site import NamespacesSite
from deploy.drill.stage import Site, Stage
from deploy.lab.lab import Lab


def quick_settings(name: str, subnet: int, folder: Path) -> DrillSettings:
    """With a short heartbeat. ``subnet``: the second number of the addresses; the third comes from our PID."""
    return DrillSettings(
        name=f"{name}{os.getpid()}",
        subnet=f"10.{subnet}.{os.getpid() % 200}.0/24",
        heartbeat="1s",
        delay="0s",
        report=folder,
        steady=2.0,
    )


@contextmanager
def standing(chosen: DrillSettings, site: Site | None = None) -> Iterator[Stage]:
    """A stage that is ready; nothing of its lab is left afterwards."""
    site = site or NamespacesSite()
    made = Stage(site, chosen, Progress(Console(highlight=False)))
    try:
        made.prepare()
        yield made
    finally:
        made.close()
        with undisturbed():
            site.down(chosen)
    assert Lab.leftovers(chosen.name) == ()


def drill(stage: Stage, fault: Fault) -> report.Report:
    """One round, judged; the lab is ready for the next one afterwards. What it leaves for a failure is said."""
    folder = stage.settings.report / fault.name
    found = stage.round(fault)
    report.write_json(folder / "report.json", found)
    if found.verdict == "fail":
        stage.collect(folder / "logs")
    assert found.why == (), f"see {folder}: {msgspec.json.encode(found.details.history).decode()}"
    stage.again(fault)
    return found
