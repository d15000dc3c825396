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

from controller.gate.engine import User
from controller.gate.plugin import Decision, Installed, PluginSettings, Step, decide, plugin_config
from controller.gate.rootfs import archive, content_of, read_mounted

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


async def own_gate(settings: PluginSettings, root: Path = Path("/")) -> Gate:
    """The gate made of this container's own file system."""
    mounted = read_mounted()
    content = await asyncio.to_thread(content_of, root, plugin_config(settings, ""), mounted)
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
