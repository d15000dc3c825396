"""
Whether the file system was unmounted cleanly: what e2fsck said when it was next mounted, from the node's engine log.

A planned move must not need the journal: only what was not unmounted has one to replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SAID = "e2fsck: "  # the gate's own line, see controller/gate/kernel/filesystem.py
REPLAYED = "recovering journal"


def marks(logs: Mapping[str, Path]) -> dict[str, int]:
    """How far each node's log has come."""
    return {node: path.stat().st_size if path.exists() else 0 for node, path in logs.items()}


def complaint(logs: Mapping[str, Path], before: Mapping[str, int], node: str) -> str:
    """A sentence unless e2fsck ran on ``node`` since ``before`` and found nothing to replay."""
    path = logs.get(node)
    if path is None or not path.exists():
        return f"there is no log of {node} that says how the file system was found"
    with path.open("rb") as log:
        log.seek(before.get(node, 0))
        text = log.read().decode(errors="replace")
    return judge(text, node)


def judge(text: str, node: str) -> str:
    """Pure part of `complaint`."""
    said = [line for line in text.splitlines() if SAID in line]
    if not said:
        return f"the gate of {node} does not say how it found the file system"
    replayed = [line for line in said if REPLAYED in line]
    return f"the journal was replayed on {node}: {replayed[0].partition(SAID)[2].strip()}" if replayed else ""
