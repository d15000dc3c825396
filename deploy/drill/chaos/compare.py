"""Two reports of chaos side by side: the resilience table. `read` alone touches a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.table import Table

from deploy.drill.chaos.report import ChaosReport
from deploy.drill.errors import DrillError

HEADS = ("fault", "episodes", "median s", "longest s", "failed")


def read(path: Path) -> ChaosReport:
    """A report, or the folder that it is in. Raises DrillError."""
    file = path / "chaos.json" if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=ChaosReport)
    except (OSError, msgspec.DecodeError) as error:
        raise DrillError(f"{file} is no report of chaos: {error}") from error


def rows(before: ChaosReport, after: ChaosReport) -> Iterator[tuple[str, ...]]:
    """Of each fault that either has, "before / after" in each cell; a dash where it was not played."""
    old, new = before.by_fault(), after.by_fault()
    for fault in sorted(old.keys() | new.keys()):
        a, b = old.get(fault, ()), new.get(fault, ())
        yield (fault, *(_both(a, b, index) for index in range(len(HEADS) - 1)))


def _both(before: tuple[float, ...], after: tuple[float, ...], index: int) -> str:
    return " / ".join(f"{each[index]:g}" if each else "-" for each in (before, after))


def worse(before: ChaosReport, after: ChaosReport) -> Iterator[str]:
    """What did not fail before, and does now."""
    old = before.by_fault()
    for fault, (_, _, _, failed) in after.by_fault().items():
        if failed and not old.get(fault, (0, 0.0, 0.0, 0))[3]:
            yield f"{fault} failed in {failed} episodes, and in none before"


def table(before: ChaosReport, after: ChaosReport) -> Table:
    def played(report: ChaosReport) -> str:
        return f"seed {report.seed}, {report.minutes:g} min, {len(report.entries)} episodes, {report.verdict}"

    made = Table(*HEADS, title=f"{played(before)} / {played(after)}")
    for row in rows(before, after):
        made.add_row(*row)
    return made
