"""
Docker's event stream, for ever: reconnect with jitter, and never trust silence.

Events wake, lists decide. A stream can be silent because nothing happens or because it is dead, so after
``inactivity`` seconds it is made anew. Each time, the daemon is asked to repeat what happened since just before (it
keeps the last 256 events), and the follower is told to list again (`Gap`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiodocker
import aiohttp
import structlog

_OVERLAP = 2.0  # seconds asked for again: clocks are read before the connection stands

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DockerEvent:
    """``kind``: node, service, config ...; ``name``: the object's, where Docker tells it."""

    kind: str
    action: str
    id: str
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """Events may have been missed: list."""

    why: str


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. The acting controller's sign of life is an event every 5 s: 30 s of silence are suspicious."""

    inactivity: float = 30.0
    retry: float = 0.2
    retry_limit: float = 5.0


Heard = DockerEvent | Gap


async def follow(
    docker: aiodocker.Docker,
    kinds: tuple[str, ...],
    hear: Callable[[Heard], None],
    wall: Callable[[], float],
    pace: Pace | None = None,
) -> None:
    """Call ``hear`` for each event, for ever. ``wall``: seconds since the epoch, the daemon's clock."""
    pace = pace if pace is not None else Pace()
    delay, why, since = pace.retry, "the controller starts to listen", wall()
    while True:
        hear(Gap(why))
        began = wall()
        heard, why = await _once(docker, kinds, hear, since - _OVERLAP, pace.inactivity)
        since = began
        delay = pace.retry if heard else min(delay * 2, pace.retry_limit)
        _log.debug("events.reconnecting", why=why, delay=delay)
        await asyncio.sleep(delay * (0.5 + random.random() / 2))  # noqa: S311 -- only keeps managers out of step


async def _once(
    docker: aiodocker.Docker, kinds: tuple[str, ...], hear: Callable[[Heard], None], since: float, inactivity: float
) -> tuple[bool, str]:
    """One connection, to its end. Whether anything was heard, and why it ended."""
    subscriber = docker.events.subscribe(create_task=False)  # type: ignore[no-untyped-call] # aiodocker's events are
    heard = False
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(_read(docker, kinds, since))
        try:
            async with asyncio.timeout(inactivity) as limit:
                while (event := await subscriber.get()) is not None:
                    limit.reschedule(asyncio.get_running_loop().time() + inactivity)
                    heard = True
                    hear(_decode(event))
        except TimeoutError:
            reader.cancel()
            return True, f"nothing was heard from Docker for {inactivity:g} s"
    return heard, reader.result()


async def _read(docker: aiodocker.Docker, kinds: tuple[str, ...], since: float) -> str:
    """Fill the subscribers' queues until the stream ends; why it did."""
    try:
        await docker.events.run(filters=json.dumps({"type": list(kinds)}), since=f"{since:.3f}")
    except (aiodocker.DockerError, aiohttp.ClientError, OSError, ValueError) as error:
        return f"Docker's event stream broke: {error}"
    return "Docker ended the event stream"


def _decode(event: Mapping[str, object]) -> DockerEvent:
    actor = event.get("Actor")
    actor = actor if isinstance(actor, Mapping) else {}
    attributes = actor.get("Attributes") or {}
    return DockerEvent(
        kind=str(event.get("Type", "")),
        action=str(event.get("Action", "")),
        id=str(actor.get("ID", "")),
        name=str(attributes.get("name", "")),
        attributes=attributes,
    )
