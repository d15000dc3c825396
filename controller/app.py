"""
The controller as a process: what `parts` joins, run from its start to its end.

It ends by SIGTERM (nothing new is begun, what is under way gets some seconds) or by an exception that nobody
expected, after which Swarm starts another. Either way the intents in the records tell the next one what was begun.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import aiodocker
import structlog
from aiohttp import web

from controller.api.changes.quotas import quotas_of
from controller.api.listening.listener import everywhere, open_port, runner_of
from controller.api.listening.local_socket import LocalSocket, listening_socket
from controller.api.members import Members
from controller.api.metrics.move_counter import MoveCounter
from controller.api.metrics.server import metrics_application
from controller.api.operators.port import OperatorPort, limits
from controller.api.server import Api
from controller.api.telling.ways import check, tellers
from controller.api.viewing.guard import Guard, token_of
from controller.api.viewing.http import Viewing
from controller.log_lines import configure_log
from controller.parts import Controller, join, open_storage
from controller.protocol.identity import IdentityError, Peer, SwarmIdentity
from controller.reconciler.inspecting.room_checks import RoomChecks
from controller.reconciler.inspecting.vm_checks import VmChecks
from controller.reconciler.nodes.suspects import watch
from controller.reconciler.wakeups import Urgent
from controller.settings import Settings, SettingsError, from_process
from drivers.base import Inspector, Roomy

DRAIN_SECONDS = 5.0  # for operations under way; Swarm kills after `stop_grace_period`

AGAIN_SECONDS = 10.0

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def listening(controller: Controller) -> AsyncIterator[None]:
    """All ways in are open: the API, the unix socket, the port for people with a certificate, the metrics."""
    settings, identity = controller.settings, controller.identity

    def identify(request: web.Request) -> Peer:
        transport = request.transport
        return identity.peer(None if transport is None else transport.get_extra_info("ssl_object"))

    api = Api(controller.table, controller.leader, Members(controller.state), controller.address, identify)
    local = LocalSocket(
        controller.table, controller.leader, controller.address, lambda: identity.me, lambda: identity.client
    )
    metrics = metrics_application(controller.meters, controller.state, controller.leader)
    state = controller.state
    Viewing(local.ask, state.clock, state.wall, Guard(token_of(settings))).join(metrics)
    async with AsyncExitStack() as stack:
        runner = await _runner(stack, api.application())
        where = settings.listen or everywhere(controller.address)
        await open_port(runner, where, settings.port, identity.server)
        runner = await _runner(stack, local.application())
        await web.SockSite(runner, listening_socket(settings.door)).start()
        if settings.operators_file is not None:
            people = OperatorPort(local.ask, state.wall).application()
            Viewing(local.ask, state.clock, state.wall).join(people)
            tls = identity.server_for(settings.operators_file)
            await open_port(await _runner(stack, people), where, settings.operators_port, tls, limits=limits())
        if settings.metrics_port:
            runner = await _runner(stack, metrics)
            await open_port(runner, settings.metrics_listen, settings.metrics_port)
        _log.info("controller.listening", address=controller.address, port=settings.port, why="it started")
        yield


async def _runner(stack: AsyncExitStack, application: web.Application) -> web.AppRunner:
    runner = runner_of(application)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def live(controller: Controller, stop: asyncio.Event) -> None:
    """Run until ``stop``, and end in order."""
    async with listening(controller), asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in _works(controller)]
        await stop.wait()
        _log.info("controller.ending", why="it was told to stop")
        controller.gate_requests.closing = True
        controller.state.changed.fire()  # long polls end
        await controller.loop.drain(DRAIN_SECONDS)
        for task in tasks:
            task.cancel()


async def lasting(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """
    For what goes on beside the decisions, and rests on nothing: a bug in it is told, and it begins again. It must not
    end the controller, which the next one would meet as well.
    """
    while True:
        try:
            return await work()
        except Exception:  # noqa: BLE001 -- see above
            _log.exception("internal.error", why="what goes on beside the decisions met a bug, and begins again")
        await asyncio.sleep(AGAIN_SECONDS)


def _works(controller: Controller) -> Iterator[Coroutine[None, None, None]]:
    """What goes on for as long as the controller lives."""
    yield controller.leader.run()
    yield controller.watcher.run()
    yield controller.loop.run()
    yield from (lasting(each.run) for each in controller.works)
    told = [*tellers(controller.settings, controller.state)]
    yield lasting(MoveCounter(controller.state, controller.meters.moved, *(each.moved for each in told)).run)
    yield from (lasting(each.run) for each in told)
    if (drivers := controller.storage.drivers) is None:
        return
    yield watch(drivers.power, controller.state.suspects, partial(controller.state.wakeup.press, Urgent.POWER))
    loop = controller.settings.loop
    if isinstance(drivers.storage, Roomy):
        yield lasting(RoomChecks(drivers.storage, controller.state, controller.leader, loop.read_deadline).run)
    if isinstance(drivers.storage, Inspector):
        yield lasting(VmChecks(drivers.storage, controller.state, controller.leader, loop.read_deadline).run)


async def serve(settings: Settings) -> None:
    """Raises IdentityError, SettingsError, and whatever was not expected."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    identity = SwarmIdentity(settings.certificates)
    check(settings)  # what cannot be is refused before anything is begun
    token_of(settings)
    quotas_of(settings)
    async with (
        aiodocker.Docker(url=settings.docker) as docker,
        aiodocker.Docker(url=settings.docker) as election,
        AsyncExitStack() as stack,
    ):
        storage = open_storage(settings)
        if storage.drivers is not None:
            stack.push_async_callback(storage.drivers.close)
        await live(await join(settings, docker, election, identity, storage), stop)


def main() -> int:
    """`reberth controller`."""
    try:
        settings = from_process()
        configure_log(settings.log_level, text=settings.log_format == "text")
        asyncio.run(serve(settings))
    except (SettingsError, IdentityError) as error:
        _log.error("controller.cannot_start", why=str(error))
        return 1
    except aiodocker.DockerError as error:
        _log.error("controller.cannot_start", why=f"Docker at the socket: {error}")
        return 1
    except OSError as error:
        _log.error("controller.cannot_start", why=f"listening on the controller's ports: {error}")
        return 1
    _log.info("controller.ended", why="it was told to stop")
    return 0
