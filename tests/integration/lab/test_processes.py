"""A node's processes are stopped and go on as one, whatever they were doing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.lab.kernel import processes

# posix_spawn(3) is vfork(2): the child waits for the FIFO's other end before its exec, the parent for that exec.
SPAWN = (
    "import os, sys\n"
    "os.posix_spawn('/bin/true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)])"
)


def test_a_parent_that_waits_for_a_stopped_child_s_exec_counts_as_stopped(tmp_path: Path) -> None:
    """Docker spawns its programs so: it sleeps in the kernel, and runs no code before its child and it are let go."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", SPAWN, str(fifo)]
    with subprocess.Popen(command) as outer:
        try:
            init = _until(lambda: _child(outer.pid))
            _until(lambda: _child(init) if processes.state(init) == "D" else None)

            processes.stop_all(init)
            assert {processes.state(pid) for pid in processes.members(init)} <= {"T", "D"}

            processes.continue_all(init)
            fifo.write_text("")
            assert outer.wait(10) == 0
        finally:
            outer.kill()


def _child(pid: int) -> int | None:
    names = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(names[0]) if names else None


def _until(seen: Callable[[], int | None]) -> int:
    end = time.monotonic() + 30
    while (found := seen()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_a_process_that_cannot_be_looked_at_is_not_taken_for_dead() -> None:
    """As where no file descriptor is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    own, taken = os.getpid(), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files"):
            processes.state(own)
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert processes.state(own) == "R"
