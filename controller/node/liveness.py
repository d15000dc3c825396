"""What the node service's health check reads: a file that is touched while work goes on, and no longer than it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

EVERY_SECONDS = 15.0
# Reading the image and making the plugin of it took seven minutes on an emulated machine; Docker may also never answer.
MOST_SECONDS = 1800.0


@asynccontextmanager
async def at_work(
    alive: Callable[[], None], every: float = EVERY_SECONDS, most: float = MOST_SECONDS
) -> AsyncIterator[None]:
    """
    ``alive`` is called at once, then each ``every`` seconds until the work inside ends, for at most ``most`` seconds.

    So slow work is left alone (a service that is ended in the middle begins anew, for ever); work that hangs is not.
    """
    alive()
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        beat = group.create_task(_beat(alive, every, most))
        try:
            yield
        except Exception as error:  # noqa: BLE001 -- raised again below, as it was: a group would wrap it
            failure = error
        finally:
            beat.cancel()
    if failure is not None:
        raise failure


async def _beat(alive: Callable[[], None], every: float, most: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(most):
            while True:
                await asyncio.sleep(every)
                alive()
