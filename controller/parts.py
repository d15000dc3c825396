"""All parts of a controller, made and joined: this module alone knows the concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import aiodocker
import structlog

from controller.api.changes.growth import GrowthRequests
from controller.api.changes.quotas import Quotas, quotas_of
from controller.api.changes.snapshots import SnapshotRequests
from controller.api.changes.wishes import SizeWishes
from controller.api.doctor_requests import DoctorRequests
from controller.api.gate_requests import GateRequests
from controller.api.metrics.meters import Meters
from controller.api.moving.moves import MoveRequests
from controller.api.node_registry import Believing, Hypervisor, NodeRegistry
from controller.api.operator_requests import OperatorRequests
from controller.api.orders.fencing import FenceRequests
from controller.api.recovery.adoption import AdoptionRequests
from controller.api.recovery.backup import BackupRequests
from controller.api.recovery.undelete import UndeleteRequests
from controller.api.routes import Route, by_path
from controller.api.volume_requests import VolumeRequests
from controller.planner.plan import decide
from controller.protocol.identity import SwarmIdentity
from controller.reconciler.connecting.node_orders import PATIENCE
from controller.reconciler.executor import executor_of
from controller.reconciler.nodes.beats import Detector
from controller.reconciler.nodes.label_writer import LabelWriter
from controller.reconciler.observer import Observer, Sources
from controller.reconciler.pace import pace_of
from controller.reconciler.reconciler import Parts, Reconciler
from controller.reconciler.record_writer import RecordWriter
from controller.reconciler.snapshots.scheduler import schedulers
from controller.reconciler.snapshots.worker import snapshot_works
from controller.reconciler.state import LoopState
from controller.reconciler.wakeups import Urgent
from controller.records.leader_election import Leader
from controller.records.leadership_rule import Timing
from controller.records.swarm import SwarmRecords
from controller.settings import Settings
from drivers.base import declared
from drivers.loading import Chosen, Drivers, LoadingError, load
from drivers.nodes import NodeConnected
from drivers.owners import Home, Marked
from watchers.facts_reader import FactsReader
from watchers.node_labels import SwarmNodeLabels
from watchers.placement import SwarmPlacement
from watchers.swarm import SwarmWatcher

_log = structlog.get_logger(__name__)


class Work(Protocol):
    async def run(self) -> None: ...


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
    works: tuple[Work, ...]  # what goes on beside the loop
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


def _state_of(settings: Settings, storage: Storage) -> LoopState:
    """With the way to the gates for a driver that needs it, before anything else is asked of that."""
    state = LoopState(asyncio.get_running_loop().time)
    state.full, state.quotas = settings.volumes.full, quotas_of(settings)
    state.nodes.fresh = settings.policy.gate_fresh
    state.nodes.patience = min(PATIENCE, settings.loop.call_deadline / 2)
    if storage.drivers is not None and isinstance(storage.drivers.storage, NodeConnected):
        storage.drivers.storage.use_nodes(state.nodes)
    return state


async def join(
    settings: Settings, docker: aiodocker.Docker, election: aiodocker.Docker, identity: SwarmIdentity, storage: Storage
) -> Controller:
    """
    Make every part. Must run in the event loop that they will live in.

    ``election`` is a connection of its own: a beat waits behind nothing that a thousand gates ask for.
    """
    state, records, meters = _state_of(settings, storage), SwarmRecords(docker), Meters()
    placed = partial(state.wakeup.press, Urgent.PLACED)
    watcher = SwarmWatcher(docker, state.wakeup, label=settings.policy.node_label, placed=placed)
    address = await own_address(docker, settings)
    leader = Leader(
        SwarmRecords(election),
        identity.me.node,
        address,
        managers=watcher.managers,
        changed=partial(state.wakeup.press, Urgent.TERM),
        clock=state.clock,
        timing=Timing(beat=settings.leadership.beat, patience=settings.leadership.patience),
    )
    drivers = storage.drivers
    driver, power = (None, None) if drivers is None else (drivers.storage, drivers.power)
    policy = settings.planner_policy(None if driver is None else driver.capabilities)
    home = Home(driver, watcher.cluster, settings.replaces_swarm.split()) if isinstance(driver, Marked) else None
    detector = Detector(state, leader, policy, identity.me.node, meters)
    sources = Sources(
        watcher, records, driver, power, state.gates, storage.problem or "", state.suspects, home, detector.suspected
    )
    writer = RecordWriter(state, records)
    executor = None if drivers is None else executor_of(settings.loop, writer, drivers, leader)
    loop = Reconciler(
        Parts(
            observer=Observer(sources, state.clock, settings.loop.read_deadline, policy.gate_fresh, state.no_later),
            planner=decide,
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
    registry = NodeRegistry(state, records, Hypervisor(driver, power), Believing(addresses=policy.node_addresses))
    gate_requests = GateRequests(state, records, driver, registry, settings.loop.read_deadline, detector.beat)
    keep, why, quotas = settings.volumes.keep_removed, storage.problem, Quotas(state.quotas)
    volume_requests = VolumeRequests(state, records, why, driver, keep=keep, options=declared(driver), quotas=quotas)
    operator_requests = OperatorRequests(state, records, leader, policy, identity.me.node)
    fencing = FenceRequests(state, records, executor, policy, identity.me.node)
    doctor = DoctorRequests(
        state, FactsReader(docker).read, policy, identity.me.node, driver, settings.loop.read_deadline
    )
    move = MoveRequests(state, SwarmPlacement(docker), policy)
    adoption, undelete = AdoptionRequests(state, records, driver, policy, why), UndeleteRequests(state, records, quotas)
    backup, growth = (
        BackupRequests(state, records, driver, policy, leader, why),
        GrowthRequests(state, records, driver, quotas),
    )
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
        SnapshotRequests(state, records, driver, quotas),
    )
    table = by_path([each for part in parts for each in part.routes()])
    works: tuple[Work, ...] = (
        SizeWishes(state, growth, leader),
        detector,
        *snapshot_works(settings.loop, driver, state, records, leader),
        *schedulers(driver, state, records, leader, quotas),
    )
    return Controller(
        settings,
        identity,
        storage,
        watcher,
        leader,
        state,
        gate_requests,
        loop,
        works,
        meters,
        table,
        address,
    )
