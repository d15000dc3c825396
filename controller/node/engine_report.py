"""What the node service tells of its node's engine and kernel, for `reberth doctor`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from controller.names import MAX_NAME
from controller.node.docker_engine import EngineError, Info
from controller.node.surroundings import smallest_mtu
from controller.protocol.messages import EngineReport

MOST = 200  # characters of each text
MOST_NAMES = 2000  # of volumes
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
MULTIPATH = Path("/sys/module/dm_multipath")


class Docker(Protocol):
    """What of `docker_engine.Engine` is needed here. Raises EngineError."""

    async def info(self) -> Info: ...

    async def local_volumes(self) -> tuple[str, ...]: ...


def has_multipath() -> bool:
    return MULTIPATH.exists()


def _unknown() -> tuple[int, int] | None:
    return None


async def engine_report(
    docker: Docker,
    wall: Callable[[], float],
    multipath: Callable[[], bool] = has_multipath,
    mtu: Callable[[Iterable[str]], int | None] = smallest_mtu,
    room: Callable[[], tuple[int, int] | None] = _unknown,
) -> EngineReport | None:
    """None where Docker does not answer: the report is advice, and a node without it works."""
    try:
        info, volumes = await docker.info(), await docker.local_volumes()
    except EngineError:
        return None
    free, size = room() or (None, None)
    named = [name for name in volumes if not _ANONYMOUS.fullmatch(name) and len(name) <= MAX_NAME]
    return EngineReport(
        server_version=info.server_version[:MOST],
        kernel=info.kernel_version[:MOST],
        docker_root=info.docker_root_dir[:MOST],
        live_restore=info.live_restore_enabled,
        security=tuple(option[:MOST] for option in (info.security_options or ())[:20]),
        local_volumes=tuple(sorted(named)[:MOST_NAMES]),
        multipath=multipath(),
        clock=wall(),
        mtu=mtu(info.other_managers),
        root_free=free,
        root_size=size,
    )
