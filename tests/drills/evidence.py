"""What a failed drill leaves for a person: each machine's power and the ends of the logs, while the lab stands."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import ClassVar

from deploy.lab.lab import Lab
from deploy.lab.names import LabError, Layout

LINES = 12  # of each log: a report with a dozen machines is still read
_TALK, _START = "level=info", "Starting up"  # what an engine says of itself all the time, and when it begins anew


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
    return [(f"the lab {name}", "\n".join((*_powers(name), *_logs(Layout(name).store)))) for name in Watched.names]


def _powers(name: str) -> list[str]:
    try:
        lab = Lab.find(name)
        return [] if lab is None else [f"{node.name} is {lab.power(node.name)}" for node in lab.nodes]
    except (LabError, OSError) as error:
        return [f"no machine's power is known: {error}"]


def _logs(store: Path) -> list[str]:
    found = []
    for path in sorted((*store.glob("*.log"), *store.glob("nodes/*/*.log"))):
        lines = [line for line in path.read_text(errors="replace").splitlines() if _TALK not in line or _START in line]
        found += ["", f"{path.relative_to(store)}, the last ones of {len(lines)} lines:", *lines[-LINES:]]
    return found
