"""
A lab's processes, read from /proc: found by the mark in their environment, or by the PID namespace they live in.

The kernel is the record: a PID file may be stale or name somebody else's process, the environment cannot.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deploy.lab.names import MARK, ROLE, LabError

_NS_GET_PARENT = 0xB702  # ioctl_ns(2)
_PROC = Path("/proc")
# Ended, or not ours to read. Any other error, such as no file descriptor left, says nothing about the process: one that
# lives must not be taken for dead.
_NOT_THERE = (FileNotFoundError, ProcessLookupError, PermissionError)


def pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir(_PROC) if entry.isdigit())  # noqa: PTH208 - names only, hot path


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except _NOT_THERE:
        return []


def marked(lab: str, role: str | None = None) -> list[int]:
    """Processes of a lab outside its containers. Zombies have no environment any more and do not count."""
    mark, prefix = f"{MARK}={lab}".encode(), f"{ROLE}={role or ''}".encode()
    return [pid for pid in pids() if _carries(_environment(pid), mark, prefix, exact=role is not None)]


def _carries(environment: list[bytes], mark: bytes, role: bytes, *, exact: bool) -> bool:
    return mark in environment and any(entry == role or (not exact and entry.startswith(role)) for entry in environment)


def labs() -> set[str]:
    """Names of all labs that have a process."""
    prefix = f"{MARK}=".encode()
    return {
        entry.removeprefix(prefix).decode() for pid in pids() for entry in _environment(pid) if entry.startswith(prefix)
    }


def _levels(pid: int | str) -> list[str]:
    """The process's PIDs, from our own PID namespace to its innermost."""
    try:
        text = (_PROC / str(pid) / "status").read_text()
    except _NOT_THERE:
        return []
    return next((line.split()[1:] for line in text.splitlines() if line.startswith("NSpid:")), [])


def state(pid: int) -> str | None:
    """The one-letter state of ps(1); None when there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2][0]
    except _NOT_THERE:
        return None


def node_init(lab: str, node: str) -> int | None:
    """PID 1 of a node, as seen from outside. One level deep only: a container's first process is deeper."""
    depth = len(_levels("self")) + 1
    for pid in marked(lab, f"node:{node}"):
        levels = _levels(pid)
        if len(levels) == depth and levels[-1] == "1":
            return pid
    return None


def members(init: int) -> list[int]:
    """All processes in the PID namespace of ``init`` and in those below it."""
    try:
        wanted = (_PROC / str(init) / "ns/pid").stat().st_ino
    except OSError:
        return []
    known = {wanted: True}
    return [pid for pid in pids() if _within(pid, wanted, known)]


def apart(pid: int) -> bool:
    """Whether a process lives in another PID namespace than ours, as a lab's libvirtd and its guests do."""
    try:
        return (_PROC / str(pid) / "ns/pid").readlink() != (_PROC / "self/ns/pid").readlink()
    except OSError:
        return False


def _within(pid: int, wanted: int, known: dict[int, bool]) -> bool:
    path = _PROC / str(pid) / "ns/pid"
    try:
        own = path.stat().st_ino
        if own not in known:
            known[own] = _descends(os.open(path, os.O_RDONLY | os.O_CLOEXEC), wanted)
    except OSError:
        return False
    return known[own]


def _descends(handle: int, wanted: int) -> bool:
    """Walk up the PID namespaces from an open one. Closes the handle."""
    while True:
        try:
            if os.fstat(handle).st_ino == wanted:
                return True
            parent = int(fcntl.ioctl(handle, _NS_GET_PARENT))
        except PermissionError:
            return False  # the top of what we may see
        finally:
            os.close(handle)
        handle = parent


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_gone(pid: int, seconds: float) -> bool:
    """Whether the process ended in time. A zombie has ended: it runs no code and holds nothing."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(handle)


def stop_all(init: int, seconds: float = 10.0) -> None:
    """
    Stop every process of a node. Round after round, because a process may fork while we look.

    One that was told and sleeps in the kernel (D) counts as stopped: it stops before it runs any code of its own again.
    A parent in vfork(2) would never wake, because its child is stopped before its exec. Raises LabError when one does
    not stop in time.
    """
    deadline, told = time.monotonic() + seconds, set[int]()
    while running := [pid for pid in members(init) if not _stopped(pid, told=pid in told)]:
        if time.monotonic() > deadline:
            names = ", ".join(f"{pid} ({state(pid)})" for pid in running)
            raise LabError(f"Processes of the node did not stop within {seconds:g} s: {names}.")
        for pid in running:
            kill(pid, signal.SIGSTOP)
        told.update(running)
        time.sleep(0.005)


def _stopped(pid: int, *, told: bool) -> bool:
    now = state(pid)
    return now in {"T", "t", "Z", "X", None} or (told and now == "D")


def continue_all(init: int) -> None:
    # Init last: a node counts as frozen until all the others run again.
    for pid in sorted(members(init), key=lambda pid: pid == init):
        kill(pid, signal.SIGCONT)
