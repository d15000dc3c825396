"""What all inspections share: they go on while this controller acts, and no answer of a driver ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from controller.model import World
from controller.reconciler.state import LoopState
from controller.records.base import Acting
from drivers.base import DriverError

T = TypeVar("T")

_log = structlog.get_logger(__name__)


async def again_and_again(
    state: LoopState, acting: Acting, seconds: float, inspect: Callable[[World], Awaitable[None]]
) -> None:
    """For ever, while we act and after the first look; ``seconds`` from one inspection to the next."""
    while True:
        if acting.epoch is not None and state.world is not None:
            await inspect(state.world)
            await asyncio.sleep(seconds)
        else:
            await state.changed.wait(seconds)


async def answer(what: str, ask: Callable[[], Awaitable[T]], deadline: float) -> T | None:
    """None: it cannot be told now, within ``deadline`` seconds. A driver's bug is told; this is advice only."""
    try:
        async with asyncio.timeout(deadline):
            return await ask()
    except (DriverError, TimeoutError):
        return None
    except Exception:  # noqa: BLE001 -- see above
        _log.exception("internal.error", why=f"the check of {what} met a bug")
        return None
