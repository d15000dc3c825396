"""One real lab for all tests of a session: made when the first test asks, taken down when the process ends."""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from pathlib import Path

from deploy.lab.lab import Lab, LabSpec
from deploy.lab.packages import ensure_packages


def spec(name: str, third: int, managers: int = 3) -> LabSpec:
    """Names and networks of one process; ``third`` tells its labs apart."""
    number = (os.getpid() * 4 + third) % 25600
    return LabSpec(
        name=f"{name}{os.getpid()}",
        managers=managers,
        heartbeat="1s",
        subnet=f"10.{100 + number // 256}.{number % 256}.0/24",
        cache=Path(tempfile.gettempdir()) / f"reberth-lab-test-{os.getpid()}",
    )


@functools.cache
def shared_lab() -> Lab:
    ensure_packages(print)
    wanted = spec("t", 0)
    atexit.register(Lab.remove, wanted.name)
    return Lab.up(wanted, print)
