"""A node that has too little memory: its control group is given less than it uses."""

from __future__ import annotations

from pathlib import Path

from deploy.drill.chaos.faults.base import Breaker, ChaosFault, if_on
from deploy.drill.chaos.schedule import Kind
from deploy.drill.errors import DrillError
from deploy.lab.kernel import cgroups

SHARE = 0.85  # of what it uses: caches go, and then the kernel kills
LEAST = 96 * 2**20
# The limit and what is used, under version 1 and 2, and what no limit is called.
FILES = (("memory.limit_in_bytes", "memory.usage_in_bytes", "-1"), ("memory.max", "memory.current", "max"))


def limits(group: Path, none: bool = False) -> list[tuple[Path, str]]:
    """What has to be written where, in this group."""
    found = []
    for limit, used, unlimited in FILES:
        if (group / limit).exists() and (group / used).exists():
            least = max(LEAST, int(int((group / used).read_text()) * SHARE))
            found.append((group / limit, unlimited if none else str(least)))
    return found


def _groups(breaker: Breaker, node: str) -> list[Path]:
    return cgroups.groups(f"{breaker.layout.cgroup}/{node}")


def _short(breaker: Breaker, node: str) -> None:
    found = [each for group in _groups(breaker, node) for each in limits(group)]
    if not found:
        raise DrillError(f"no control group of {node} has a limit of memory")
    for path, text in found:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:  # EBUSY: the kernel could not free so much at once
        raise DrillError(f"{path} cannot be set to {text}: {error}") from error


def _enough(breaker: Breaker, node: str) -> None:
    for group in _groups(breaker, node):
        for path, text in limits(group, none=True):
            path.write_text(text)


FAULTS = (ChaosFault(Kind("memory"), "The node has less memory than it uses.", if_on(_short), _enough),)
