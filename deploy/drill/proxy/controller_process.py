"""The controllers' processes in a lab, found and stopped from outside."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from deploy.lab.kernel import processes

_PATIENCE = 20.0  # seconds for a signal to have its effect, on a machine that is busy

Pid = Callable[[str], int | None]
"""PID of the controller on a node, by the node's name; None when none runs there."""


def kill(pid: int) -> None:
    """Returns when it is gone."""
    processes.kill(pid, signal.SIGKILL)
    processes.wait_gone(pid, _PATIENCE)


def freeze(pid: int) -> None:
    """Returns when it stands still."""
    processes.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + _PATIENCE
    while processes.state(pid) not in {"T", "t", None} and time.monotonic() < end:
        time.sleep(0.005)


def thaw(pid: int) -> None:
    processes.kill(pid, signal.SIGCONT)


def controller_of(lab: str) -> Pid:
    """Finds controllers in the namespaces of a lab's nodes."""

    def pid(node: str) -> int | None:
        init = processes.node_init(lab, node)
        if init is None:
            return None
        return next((each for each in processes.members(init) if _is_controller(each)), None)

    return pid


def _is_controller(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"/opt/reberth/bin/reberth" in words and b"controller" in words and processes.state(pid) != "Z"
