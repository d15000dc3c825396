"""
``reberth node``: the node service, on every node as a Swarm service with Docker's socket.

Two jobs, each again and again: the gate on this node is the one of our image, and a controller knows which VM this
node is. A failure of one is told in the log and to the controller, and tried again; nothing but a bug ends the service.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from controller.gate.engine import Engine, EngineError, Info
from controller.gate.install import Docker, Gate, ensure_gate, own_gate
from controller.gate.plugin import PluginSettings, Step, passed_on
from controller.wire import Hello

LOOK_SECONDS = 15.0
HELLO_SECONDS = 60.0
RETRY_SECONDS = 3.0
# Touched before each look, read by the health check. /tmp is the container's own.
ALIVE = Path("/tmp/alive")  # noqa: S108

_log = structlog.get_logger()


class Unreported(Exception):
    """No controller took the report. The text says why."""


class Controllers(Protocol):
    """What of the gate's client is needed here. Raises Unreported."""

    async def hello(self, hello: Hello) -> None: ...


@dataclass(frozen=True, slots=True)
class Machine:
    vm: str
    boot: str


@dataclass(slots=True)
class NodeService:
    """
    ``machine`` reads which VM this is, anew each time; it raises OSError or ValueError with a reason.

    ``state`` is what people read of the gate here.
    """

    docker: Docker
    gate: Gate
    controllers: Controllers
    machine: Callable[[], Machine]
    hostname: str
    alive: Callable[[], None] = ALIVE.touch
    state: str = "not looked at yet"

    async def run(self) -> None:
        """For ever."""
        poke = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_gate(poke))
            group.create_task(self._report(poke))

    async def _keep_gate(self, changed: asyncio.Event) -> None:
        while True:
            before, pause = self.state, LOOK_SECONDS
            self.alive()
            try:
                decision = await ensure_gate(self.docker, self.gate)
                self.state = decision.why if decision.step is Step.WAIT else "running"
            except EngineError as error:
                self.state, pause = str(error), RETRY_SECONDS
            if self.state != before:
                _log.info("gate.state", why=self.state)
                changed.set()
            await asyncio.sleep(pause)

    async def _report(self, changed: asyncio.Event) -> None:
        last = ""
        while True:
            changed.clear()
            problem = await self._hello()
            if problem != last:
                _log.info(
                    "hello.sent" if not problem else "hello.failed", why=problem or "a controller knows this node"
                )
                last = problem
            await _first_of(changed, RETRY_SECONDS if problem else HELLO_SECONDS)

    async def _hello(self) -> str:
        """One report; answers why it could not be given, or nothing."""
        try:
            machine = self.machine()
        except (OSError, ValueError) as error:
            return f"which VM this node is cannot be read: {error}"
        try:
            await self.controllers.hello(Hello(machine.vm, machine.boot, self.hostname, self.state))
        except Unreported as error:
            return str(error)
        return ""


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def plugin_settings(info: Info, environment: Mapping[str, str]) -> PluginSettings:
    return PluginSettings(
        docker_root=info.docker_root_dir,
        environment=passed_on(environment),
        machine_folder=environment.get("REBERTH_MACHINE_FOLDER") or None,
    )


async def patient_info(docker: Engine) -> Info:
    """Docker's word about itself; waits for it for as long as it takes, and says so."""
    told = ""
    while True:
        try:
            return await docker.info()
        except EngineError as error:
            if str(error) != told:
                told = str(error)
                _log.warning("docker.unreachable", why=told)
            await asyncio.sleep(RETRY_SECONDS)


async def serve(
    environment: Mapping[str, str], controllers: Controllers, machine: Callable[[], Machine], socket: str
) -> None:
    """The node service until SIGTERM."""
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    if own is not None:
        loop.add_signal_handler(signal.SIGTERM, own.cancel)
    async with Engine(socket) as docker:
        info = await patient_info(docker)
        gate = await own_gate(plugin_settings(info, environment))
        await NodeService(docker, gate, controllers, machine, info.name).run()
