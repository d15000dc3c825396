"""
Makes, enables and exchanges the gate on this node, so that it is the one that our own image holds.

Never while a container uses a volume: see `plugin.decide`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from controller.node.docker_engine import User
from controller.node.plugin_archive import archive, content_of, content_of_image, read_mountinfo
from controller.node.plugin_config import (
    Decision,
    Installed,
    PluginSettings,
    Step,
    decide,
    mount_points,
    own_container,
    plugin_config,
)

# A container whose Mount was answered just before the gate was disabled starts within this time, or not at all.
SETTLE_SECONDS = 5.0

_log = structlog.get_logger()


class Docker(Protocol):
    """What of `engine.Engine` is needed here."""

    async def installed(self) -> Installed | None: ...
    async def users(self) -> tuple[User, ...]: ...
    async def create(self, archive: AsyncIterator[bytes]) -> None: ...
    async def enable(self) -> None: ...
    async def disable(self) -> None: ...
    async def remove(self) -> None: ...
    async def stop(self, container: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate that this node should have."""

    content: str
    archive: Callable[[], AsyncIterator[bytes]]


class Images(Protocol):
    """What of `engine.Engine` tells whose file system this is."""

    async def image_of(self, container: str) -> str | None: ...


async def own_gate(docker: Images, settings: PluginSettings, root: Path = Path("/")) -> Gate:
    """
    The gate made of this container's own file system. Raises EngineError.

    An image's ID is the digest of all that is in it, so it stands for the files. They are read only where it is not
    known: that takes seconds on a fast machine, and more than eight minutes on an emulated one.
    """
    table = read_mountinfo()
    mounted, container = mount_points(table), own_container(table)
    image = None if container is None else await docker.image_of(container)
    if image is None:
        content = await asyncio.to_thread(content_of, root, plugin_config(settings, ""), mounted)
    else:
        content = content_of_image(image, plugin_config(settings, ""))
    config = plugin_config(settings, content)
    return Gate(content, lambda: archive(root, config, mounted))


async def ensure_gate(docker: Docker, gate: Gate) -> Decision:
    """
    One look and what follows from it; to be called again and again. Returns what was decided, for people.

    Raises EngineError; whatever was done by then is continued by the next call.
    """
    installed = await docker.installed()
    users = await docker.users()
    decision = decide(installed, gate.content, tuple(user.name for user in users))
    if decision.step in (Step.CREATE, Step.ENABLE, Step.REPLACE):
        _log.info("gate.change", step=decision.step.value, why=decision.why, content=gate.content)
    match decision.step:
        case Step.REPLACE:
            await _remove(docker, installed)
            await _create(docker, gate)
        case Step.CREATE:
            await _create(docker, gate)
        case Step.ENABLE:
            await docker.enable()
        case Step.NOTHING | Step.WAIT:
            pass
    return decision


async def _create(docker: Docker, gate: Gate) -> None:
    await docker.create(gate.archive())
    await docker.enable()


async def _remove(docker: Docker, installed: Installed | None) -> None:
    if installed is not None and installed.enabled:
        await docker.disable()
        await asyncio.sleep(SETTLE_SECONDS)
        # Started between our look and the end of the old gate: the new gate would not know its mount, so it may not
        # go on. Swarm starts it again.
        for user in await docker.users():
            _log.warning("container.stopped", container=user.name, why="it started while the gate was exchanged")
            await docker.stop(user.id)
    await docker.remove()
