"""
The controller as a process: it alone knows the concrete classes, and joins them.

It ends by SIGTERM (nothing new is begun, what is under way gets some seconds) or by an exception that nobody
expected, after which Swarm starts another. Either way the intents in the records tell the next one what was begun.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiodocker
import structlog
from aiohttp import web

from controller.api import Api, Route, routes
from controller.board import Board, Poke
from controller.catalogue import Catalogue
from controller.desk import Desk
from controller.door import Door, door_socket
from controller.execute import Executor
from controller.gatekeeper import Gatekeeper
from controller.gates import Gates
from controller.identity import IdentityError, Peer, SwarmIdentity
from controller.inspection import Inspection
from controller.leadership import Leader, Timing
from controller.metrics import Meters, metrics_application
from controller.model import NodeId
from controller.observe import Observer, Sources
from controller.plan import plan
from controller.ports import open_port
from controller.reconcile import Pace, Parts, Reconciler
from controller.records import RecordsUnavailable, SwarmUnread
from controller.scribe import Scribe
from controller.settings import Settings, SettingsError, from_process
from controller.swarm_records import SwarmRecords
from drivers.base import Inspector, StorageDriver
from drivers.loading import LoadingError, load
from watchers.swarm import SwarmWatcher

DRAIN_SECONDS = 5.0  # for operations under way; Swarm kills after `stop_grace_period`

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Storage:
    """The driver, or why there is none."""

    driver: StorageDriver | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Controller:
    """All parts of one controller, joined and not yet running."""

    settings: Settings
    identity: SwarmIdentity
    storage: Storage
    watcher: SwarmWatcher
    leader: Leader
    board: Board
    poke: Poke
    keeper: Gatekeeper
    loop: Reconciler
    meters: Meters
    table: dict[str, Route]
    address: str


def open_storage(settings: Settings) -> Storage:
    """A controller without storage runs, so that whoever mounts is told why nothing happens."""
    try:
        return Storage(load(settings.storage.driver, settings.storage.own()))
    except LoadingError as error:
        _log.error("storage.missing", why=str(error))
        return Storage(None, str(error))


async def own_address(docker: aiodocker.Docker, settings: Settings) -> str:
    """Where gates and other managers reach this controller: host:port."""
    if settings.advertise is not None:
        return settings.advertise
    info = await docker.system.info()
    host = str(info.get("Swarm", {}).get("NodeAddr", ""))
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


async def join(settings: Settings, docker: aiodocker.Docker, identity: SwarmIdentity, storage: Storage) -> Controller:
    """Make every part. Must run in the event loop that they will live in."""
    clock = asyncio.get_running_loop().time
    me = identity.me.node
    poke, board, meters = Poke(), Board(clock), Meters()
    records, gates = SwarmRecords(docker), Gates(clock, board.changed)
    watcher = SwarmWatcher(docker, poke)
    address = await own_address(docker, settings)
    timing = Timing(beat=settings.leadership.beat, patience=settings.leadership.patience)
    leader = Leader(records, me, address, _swarm_leader(watcher), poke, clock, timing)
    driver = storage.driver
    policy = settings.planner_policy(None if driver is None else driver.capabilities)
    sources = Sources(watcher, records, driver, gates, storage.problem or "")
    executor = None
    if driver is not None:
        executor = Executor(
            Scribe(board, records, time.time), driver, leader, settings.loop.call_deadline, settings.loop.clone_deadline
        )
    parts = Parts(
        observer=Observer(sources, clock, settings.loop.read_deadline, policy.gate_fresh),
        planner=plan,
        policy=policy,
        executor=executor,
        lead=leader,
        records=records,
        gates=gates,
        board=board,
        poke=poke,
        clock=clock,
        wall=time.time,
        jitter=lambda: random.uniform(0.8, 1.2),  # noqa: S311 -- only keeps retries out of step
        pace=Pace(**{name: getattr(settings.loop, name) for name in Pace.__slots__}),
        counted=meters,
    )
    keeper = Gatekeeper(board, gates, records, driver, poke, clock, time.time, settings.loop.read_deadline)
    clones = driver is not None and driver.capabilities.clones
    catalogue = Catalogue(board, records, poke, storage.problem, clones=clones)
    desk = Desk(board, records, poke, leader, policy, time.time, me)
    table = dict(routes(catalogue, keeper, desk))
    return Controller(
        settings, identity, storage, watcher, leader, board, poke, keeper, Reconciler(parts), meters, table, address
    )


def _swarm_leader(watcher: SwarmWatcher) -> Callable[[], Awaitable[NodeId | None]]:
    """Swarm's own leader, with errors in the words of the leadership."""

    async def ask() -> NodeId | None:
        try:
            return await watcher.leader()
        except SwarmUnread as error:
            raise RecordsUnavailable(str(error)) from error

    return ask


@asynccontextmanager
async def listening(controller: Controller) -> AsyncIterator[None]:
    """All doors open: the API, the unix socket, the metrics."""
    settings, identity = controller.settings, controller.identity

    def identify(request: web.Request) -> Peer:
        transport = request.transport
        return identity.peer(None if transport is None else transport.get_extra_info("ssl_object"))

    api = Api(controller.table, controller.leader, controller.address, identify)
    door = Door(controller.table, controller.leader, controller.address, lambda: identity.me, lambda: identity.client)
    clock = asyncio.get_running_loop().time
    metrics = metrics_application(controller.meters, controller.board, controller.leader, clock)
    async with AsyncExitStack() as stack:
        runner = await _runner(stack, api.application())
        await open_port(runner, settings.listen, settings.port, identity.server)
        runner = await _runner(stack, door.application())
        await web.SockSite(runner, door_socket(settings.door)).start()
        if settings.metrics_port:
            runner = await _runner(stack, metrics)
            await open_port(runner, settings.metrics_listen, settings.metrics_port)
        _log.info("controller.listening", address=controller.address, port=settings.port, why="it started")
        yield


async def _runner(stack: AsyncExitStack, application: web.Application) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def live(controller: Controller, stop: asyncio.Event) -> None:
    """Run until ``stop``, and end in order."""
    async with listening(controller), asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in _works(controller)]
        await stop.wait()
        _log.info("controller.ending", why="it was told to stop")
        controller.keeper.closing = True
        controller.board.changed.fire()  # long polls end
        await controller.loop.drain(DRAIN_SECONDS)
        for task in tasks:
            task.cancel()


def _works(controller: Controller) -> Iterator[Coroutine[None, None, None]]:
    """What goes on for as long as the controller lives."""
    yield controller.leader.run()
    yield controller.watcher.run()
    yield controller.loop.run()
    driver = controller.storage.driver
    if driver is not None:
        yield _watch_power(driver, controller.poke)
    if isinstance(driver, Inspector):
        deadline = controller.settings.loop.read_deadline
        yield Inspection(driver, controller.board, controller.leader, deadline).run()


async def _watch_power(driver: StorageDriver, poke: Poke) -> None:
    async for event in driver.watch_power():
        poke("the hypervisor's events" if event.vm is None else f"something changed about VM {event.vm}")


async def serve(settings: Settings) -> None:
    """Raises IdentityError, and whatever was not expected."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    identity = SwarmIdentity(settings.certificates)
    async with aiodocker.Docker(url=settings.docker) as docker, AsyncExitStack() as stack:
        storage = open_storage(settings)
        if storage.driver is not None:
            stack.push_async_callback(storage.driver.close)
        await live(await join(settings, docker, identity, storage), stop)


def configure_log(settings: Settings) -> None:
    """One line an event, to standard output, where `docker service logs` finds it."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
    )


def main() -> int:
    """`reberth controller`."""
    try:
        settings = from_process()
        configure_log(settings)
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
