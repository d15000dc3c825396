"""The lab's control groups, in whichever hierarchies the machine has (version 1, 2 or both)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def _unified() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _roots() -> list[Path]:
    return [_ROOT] if _unified() else [path for path in _ROOT.glob("*") if path.is_dir() and not path.is_symlink()]


def adopt(lab: str, name: str, pid: int) -> None:
    """
    Move a node's first process into a group of its own, so that it does not end with the session that started it.

    Into a leaf: under version 2 a group that has processes cannot hand controllers to the containers' groups.
    """
    for root in _roots():
        group = root / lab / name / "init"
        with suppress(OSError):
            group.mkdir(parents=True, exist_ok=True)
            _inherit_cpuset(root, group)
            (group / "cgroup.procs").write_text(str(pid))


def _inherit_cpuset(root: Path, group: Path) -> None:
    """Version 1: a new cpuset is empty, and takes no process before it has processors and memory."""
    for folder in reversed([group, *group.parents]):
        if not folder.is_relative_to(root) or folder == root:
            continue
        for name in ("cpuset.cpus", "cpuset.mems"):
            file = folder / name
            if file.exists() and not file.read_text().strip():
                file.write_text((folder.parent / name).read_text())


def groups(name: str) -> list[Path]:
    return [root / name for root in _roots() if (root / name).is_dir()]


def remove(name: str) -> None:
    """Remove the groups of this name and all below; one that still has processes stays."""
    for group in groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
