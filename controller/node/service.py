"""
``reberth node``: the node service, on every node as a Swarm service with Docker's socket.

Two jobs, each again and again: the gate on this node is the one of our image, and a controller knows which VM this
node is. A failure of one is told in the log and to the controller, and tried again; nothing but a bug ends the service.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from controller.node.docker_engine import Engine, EngineError, Info
from controller.node.engine_report import engine_report
from controller.node.installer import Docker, Gate, ensure_gate, own_gate
from controller.node.liveness import at_work
from controller.node.plugin_config import PluginSettings, Step, passed_on
from controller.node.surroundings import room_of
from controller.protocol.addresses import read_port
from controller.protocol.answers import Status
from controller.protocol.beats import Beat, Pace
from controller.protocol.client import ControllerError, ControllerRefused, swarm_client
from controller.protocol.machine import Machine, MachineUnknown, read_machine, read_tcp_retries2
from controller.protocol.messages import EngineReport, Hello

LOOK_SECONDS = 15.0
HELLO_SECONDS = 60.0
RETRY_SECONDS = 3.0
UNWANTED_SECONDS = 60.0  # until a controller that wants no beats is asked again
BEAT_AGAIN = 1.0  # seconds after a beat that nobody took
# Touched while there is work, read by the health check. /tmp is the container's own.
ALIVE = Path("/tmp/alive")  # noqa: S108

_log = structlog.get_logger()


async def _no_report() -> EngineReport | None:
    return None


class Controllers(Protocol):
    """What of `client.ControllerClient` is needed here. Raises ControllerError."""

    async def hello(self, hello: Hello) -> None: ...

    async def beat(self, beat: Beat) -> Pace: ...


@dataclass(slots=True)
class NodeService:
    """
    ``machine`` reads which VM this is, anew each time; it raises MachineUnknown.

    ``state`` is what people read of the gate here.
    """

    docker: Docker
    gate: Gate
    controllers: Controllers
    machine: Callable[[], Machine]
    hostname: str
    alive: Callable[[], None] = ALIVE.touch
    tcp_retries2: Callable[[], int | None] = read_tcp_retries2
    report: Callable[[], Awaitable[EngineReport | None]] = _no_report
    state: str = "not looked at yet"

    async def run(self) -> None:
        """For ever."""
        poke = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_gate(poke))
            group.create_task(self._report(poke))
            group.create_task(self._beat())

    async def _keep_gate(self, changed: asyncio.Event) -> None:
        while True:
            before, pause = self.state, LOOK_SECONDS
            try:
                async with at_work(self.alive):
                    decision = await ensure_gate(self.docker, self.gate)
                self.state = decision.why if decision.step is Step.WAIT else "running"
            except EngineError as error:
                self.state, pause = str(error), RETRY_SECONDS
            if self.state != before:
                _log.info("gate.state", why=self.state)
                changed.set()
            await asyncio.sleep(pause)

    async def _report(self, changed: asyncio.Event) -> None:
        failing: bool | None = None
        while True:
            changed.clear()
            problem = await self._hello()
            # The text differs from try to try (which controller was asked first): told when it begins and when it ends.
            if failing is not bool(problem):
                failing = bool(problem)
                event = "hello.failed" if failing else "hello.sent"
                _log.info(event, why=problem or "a controller knows this node")
            await _first_of(changed, RETRY_SECONDS if problem else HELLO_SECONDS)

    async def _beat(self) -> None:
        """
        Say that the node lives, at the pace that the controller wants. Nothing here waits for Docker or the gate.

        A failure is no news: who cannot be heard is told of by the reports.
        """
        while True:
            pause = BEAT_AGAIN
            try:
                machine = self.machine()
                pause = (await self.controllers.beat(Beat(machine.vm, machine.boot))).every or UNWANTED_SECONDS
            except ControllerRefused as error:  # one of an older version knows no beats
                pause = UNWANTED_SECONDS if error.not_found else RETRY_SECONDS
            except (ControllerError, MachineUnknown):
                pass
            await asyncio.sleep(pause)

    async def _hello(self) -> str:
        """One report; answers why it could not be given, or nothing."""
        try:
            machine = self.machine()
        except MachineUnknown as error:
            return str(error)
        try:
            engine = await self.report()
            hello = Hello(machine.vm, machine.boot, self.hostname, self.state, self.tcp_retries2(), engine)
            await self._tell(hello)
        except ControllerError as error:
            return error.why
        return ""

    async def _tell(self, hello: Hello) -> None:
        """A controller of an older version refuses a report with a field that it does not know: then without it."""
        try:
            await self.controllers.hello(hello)
        except ControllerRefused as error:
            if hello.engine is None or error.status != Status.BAD:
                raise
            await self.controllers.hello(msgspec.structs.replace(hello, engine=None))


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def plugin_settings(info: Info, environment: Mapping[str, str]) -> PluginSettings:
    return PluginSettings(
        docker_root=info.docker_root_dir,
        environment=passed_on(environment),
        machine_folder=environment.get("REBERTH_MACHINE_FOLDER") or None,
        luns=environment.get("REBERTH_LUNS") == "1",
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


async def serve(environment: Mapping[str, str]) -> None:
    """The node service until it is cancelled."""
    port, problem = read_port(environment)
    docker_root = Path(environment.get("REBERTH_DOCKER_ROOT") or "/docker")
    controllers = swarm_client(docker_root, port, problem)
    try:
        async with Engine(environment.get("REBERTH_DOCKER_SOCKET") or "/var/run/docker.sock") as docker:
            info = await patient_info(docker)
            async with at_work(ALIVE.touch):
                gate = await own_gate(docker, plugin_settings(info, environment))
            _log.info("node.started", why="the gate that this image holds is known", content=gate.content)
            await NodeService(
                docker,
                gate,
                controllers,
                lambda: read_machine(environment),
                info.name,
                report=lambda: engine_report(docker, time.time, room=lambda: room_of(docker_root / "swarm")),
            ).run()
    finally:
        await controllers.close()


async def _until_stopped(environment: Mapping[str, str]) -> None:
    own = asyncio.current_task()
    if own is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
    await serve(environment)


def main(environment: Mapping[str, str] | None = None) -> int:
    """``reberth node``. Ends with 0 on SIGTERM; a gate half exchanged is finished by the next one."""
    with suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_until_stopped(os.environ if environment is None else environment))
    return 0
