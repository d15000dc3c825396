"""
The report to the controller: always the whole truth, at once after a change, else as a long poll.

It carries "released", so nothing is sent once and lost. The answer carries what the controller wants back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Protocol

import structlog

from controller.gate.connecting.connections import Connections
from controller.gate.volume_table import VolumeTable
from controller.protocol import messages
from controller.protocol.client import ControllerError
from controller.protocol.machine import Machine, MachineUnknown

log = structlog.get_logger()

POLL_SECONDS = 20.0
RETRY_SECONDS = 1.0
UNOBEYED_SECONDS = 1.0  # an order that cannot be obeyed yet is answered at once each time: do not spin on it


class SyncTarget(Protocol):
    async def sync(self, sync: messages.Sync) -> messages.Orders: ...


def software_version() -> str:
    try:
        return metadata.version("reberth")
    except metadata.PackageNotFoundError:
        return "unknown"


class Reporter:
    """When ``obey`` returns the refusal stands."""

    def __init__(
        self,
        target: SyncTarget,
        volumes: VolumeTable,
        machine: Callable[[], Machine],
        obey: Callable[[messages.Release], Awaitable[None]],
        connections: Connections,
    ) -> None:
        self._target = target
        self._volumes = volumes
        self._machine = machine
        self._obey = obey
        self._connections = connections
        self._version = software_version()
        self._answered = 0
        self._news = asyncio.Condition()
        self._trouble: str | None = None

    async def told(self) -> None:
        """Wait until the controller has answered a report of all that is so now."""
        version = self._volumes.version
        async with self._news:
            await self._news.wait_for(lambda: self._answered >= version)

    async def run(self) -> None:
        while True:
            try:
                await self._exchange()
            except (ControllerError, MachineUnknown) as error:
                self._note(str(error))
                await self._rest(RETRY_SECONDS)

    async def _exchange(self) -> None:
        version = self._volumes.version
        self._volumes.changed.clear()
        report = self._report(news=version > self._answered)
        orders = await (self._poll(report) if report.wait else self._target.sync(report))
        if orders is None:
            return
        self._note(None)
        async with self._news:
            self._answered = max(self._answered, version)
            self._news.notify_all()
        self._connections.told(report.carried)
        self._connections.obey(orders)
        for order in orders.releases:
            await self._obey(order)
        if orders:
            await self._rest(UNOBEYED_SECONDS)

    def _report(self, *, news: bool) -> messages.Sync:
        """News is sent without waiting, so that its answer comes at once."""
        machine = self._machine()
        return messages.Sync(
            vm=machine.vm,
            boot=machine.boot,
            version=self._version,
            volumes=self._volumes.report(),
            wait=0.0 if news else POLL_SECONDS,
            kinds=self._connections.kinds,
            carried=self._connections.report(),
        )

    async def _poll(self, report: messages.Sync) -> messages.Orders | None:
        """None: something changed meanwhile."""
        orders: list[messages.Orders] = []
        async with asyncio.TaskGroup() as tasks:

            async def ask() -> ControllerError | None:
                try:
                    orders.append(await self._target.sync(report))
                except ControllerError as error:
                    return error
                return None

            asking = tasks.create_task(ask())
            change = tasks.create_task(self._volumes.changed.wait())
            await asyncio.wait({asking, change}, return_when=asyncio.FIRST_COMPLETED)
            asking.cancel()
            change.cancel()
        if not asking.cancelled() and (failure := asking.result()) is not None:
            raise failure
        return orders[0] if orders else None

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._volumes.changed.wait()
        except TimeoutError:
            return

    def _note(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            if trouble is None:
                log.info("controller.heard", why="a report was answered")
            else:
                log.warning("controller.silent", why=trouble)
            self._trouble = trouble
