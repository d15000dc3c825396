"""
The controller as a process: it alone knows the concrete classes, and joins them.

It ends by SIGTERM (nothing new is begun, what is under way gets some seconds) or by an exception that nobody
expected, after which Swarm starts another. Either way the intents in the records tell the next one what was begun.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiodocker
import structlog
from aiohttp import web

from controller.api.changes.growth import GrowthRequests
from controller.api.doctor_requests import DoctorRequests
from controller.api.gate_requests import GateRequests
from controller.api.listening.listener import open_port, runner_of
from controller.api.listening.local_socket import LocalSocket, listening_socket
from controller.api.members import Members
from controller.api.metrics.meters import Meters
from controller.api.metrics.move_counter import MoveCounter
from controller.api.metrics.server import metrics_application
from controller.api.moving.moves import MoveRequests
from controller.api.operator_requests import OperatorRequests
from controller.api.orders.fencing import FenceRequests
from controller.api.recovery.adoption import AdoptionRequests
from controller.api.recovery.backup import BackupRequests
from controller.api.recovery.undelete import UndeleteRequests
from controller.api.routes import Route, by_path
from controller.api.server import Api
from controller.api.telling.ways import check, tellers
from controller.api.viewing.guard import Guard, token_of
from controller.api.viewing.http import Viewing
from controller.api.volume_requests import VolumeRequests
from controller.log_lines import configure_log
from controller.planner.plan import plan
from controller.protocol.identity import IdentityError, Peer, SwarmIdentity
from controller.reconciler.executor import executor_of
from controller.reconciler.nodes.label_writer import LabelWriter
from controller.reconciler.observer import Observer, Sources
from controller.reconciler.pace import pace_of
from controller.reconciler.reconciler import Parts, Reconciler
from controller.reconciler.record_writer import RecordWriter
from controller.reconciler.state import LoopState
from controller.reconciler.vm_checks import VmChecks
from controller.records.leader_election import Leader
from controller.records.leadership_rule import Timing
from controller.records.swarm import SwarmRecords
from controller.settings import Settings, SettingsError, from_process
from drivers.base import Inspector, PowerDriver, declared
from drivers.loading import Chosen, Drivers, LoadingError, load
from watchers.facts_reader import FactsReader
from watchers.node_labels import SwarmNodeLabels
from watchers.placement import SwarmPlacement
from watchers.swarm import SwarmWatcher

DRAIN_SECONDS = 5.0  # for operations under way; Swarm kills after `stop_grace_period`

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Storage:
    """The drivers, or why there are none."""

    drivers: Drivers | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Controller:
    """All parts of one controller, joined and not yet running."""

    settings: Settings
    identity: SwarmIdentity
    storage: Storage
    watcher: SwarmWatcher
    leader: Leader
    state: LoopState
    gate_requests: GateRequests
    loop: Reconciler
    meters: Meters
    table: Mapping[str, Route]
    address: str


def open_storage(settings: Settings) -> Storage:
    """A controller without storage runs, so that whoever mounts is told why nothing happens."""
    try:
        storage, power = (Chosen(each.driver, each.own()) for each in (settings.storage, settings.power))
        return Storage(load(storage, power))
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


async def join(
    settings: Settings, docker: aiodocker.Docker, election: aiodocker.Docker, identity: SwarmIdentity, storage: Storage
) -> Controller:
    """
    Make every part. Must run in the event loop that they will live in.

    ``election`` is a connection of its own: a beat waits behind nothing that a thousand gates ask for.
    """
    state, records, meters = LoopState(asyncio.get_running_loop().time), SwarmRecords(docker), Meters()
    watcher = SwarmWatcher(docker, state.wakeup, label=settings.policy.node_label)
    address = await own_address(docker, settings)
    leader = Leader(
        SwarmRecords(election),
        identity.me.node,
        address,
        swarm_leader=watcher.leader,
        changed=state.wakeup,
        clock=state.clock,
        timing=Timing(beat=settings.leadership.beat, patience=settings.leadership.patience),
    )
    drivers = storage.drivers
    driver, power = (None, None) if drivers is None else (drivers.storage, drivers.power)
    policy = settings.planner_policy(None if driver is None else driver.capabilities)
    sources = Sources(watcher, records, driver, power, state.gates, storage.problem or "", state.suspects)
    writer = RecordWriter(state, records)
    executor = None if drivers is None else executor_of(settings.loop, writer, drivers, leader)
    loop = Reconciler(
        Parts(
            observer=Observer(sources, state.clock, settings.loop.read_deadline, policy.gate_fresh, state.wall),
            planner=plan,
            policy=policy,
            executor=executor,
            acting=leader,
            records=records,
            state=state,
            pace=pace_of(settings.loop),
            counted=meters,
            labels=LabelWriter(SwarmNodeLabels(docker, policy.node_label), leader, writer, meters, state.clock),
        )
    )
    gate_requests = GateRequests(state, records, driver, settings.loop.read_deadline)
    keep, why = settings.volumes.keep_removed, storage.problem
    volume_requests = VolumeRequests(
        state, records, why, clones=policy.capabilities.clones, keep=keep, options=declared(driver)
    )
    operator_requests = OperatorRequests(state, records, leader, policy, identity.me.node)
    fencing = FenceRequests(state, records, executor, policy, identity.me.node)
    doctor = DoctorRequests(state, FactsReader(docker).read, policy)
    move = MoveRequests(state, SwarmPlacement(docker), policy)
    adoption, undelete = AdoptionRequests(state, records, driver, policy, why), UndeleteRequests(state, records)
    backup, growth = BackupRequests(state, records, driver, policy, leader, why), GrowthRequests(state, records, driver)
    parts = (
        volume_requests,
        gate_requests,
        operator_requests,
        doctor,
        adoption,
        undelete,
        backup,
        move,
        growth,
        fencing,
    )
    table = by_path([each for part in parts for each in part.routes()])
    return Controller(settings, identity, storage, watcher, leader, state, gate_requests, loop, meters, table, address)


@asynccontextmanager
async def listening(controller: Controller) -> AsyncIterator[None]:
    """All ways in are open: the API, the unix socket, the metrics."""
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
        await open_port(runner, settings.listen, settings.port, identity.server)
        runner = await _runner(stack, local.application())
        await web.SockSite(runner, listening_socket(settings.door)).start()
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


def _works(controller: Controller) -> Iterator[Coroutine[None, None, None]]:
    """What goes on for as long as the controller lives."""
    yield controller.leader.run()
    yield controller.watcher.run()
    yield controller.loop.run()
    told = [*tellers(controller.settings, controller.state)]
    yield MoveCounter(controller.state, controller.meters.moved, *(each.moved for each in told)).run()
    yield from (each.run() for each in told)
    if (drivers := controller.storage.drivers) is None:
        return
    yield _watch_power(drivers.power, controller.state)
    if isinstance(drivers.storage, Inspector):
        loop = controller.settings.loop
        yield VmChecks(drivers.storage, controller.state, controller.leader, loop.read_deadline).run()


async def _watch_power(driver: PowerDriver, state: LoopState) -> None:
    """For ever. The look that follows asks for this VM's power, whatever Swarm says of its node."""
    async for event in driver.watch_power():
        if event.vm is not None:
            state.suspects.add(event.vm)
        state.wakeup("the hypervisor's events" if event.vm is None else f"something changed about VM {event.vm}")


async def serve(settings: Settings) -> None:
    """Raises IdentityError, SettingsError, and whatever was not expected."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    identity = SwarmIdentity(settings.certificates)
    check(settings)  # what cannot be is refused before anything is begun
    token_of(settings)
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
