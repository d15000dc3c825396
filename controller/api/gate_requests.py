"""
What gates ask: here is what I have mounted, what am I to let go, may I mount this.

A gate gets a volume only if Swarm's Raft says that a task on its node mounts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from controller.api.mount_grants import AskedMount, is_of, permission
from controller.api.node_registry import ATTEMPTS, Beats, Caller, NodeRegistry, unwanted
from controller.api.recovery.unrecorded import UnrecordedDisks
from controller.api.routes import Route, route
from controller.model import (
    BootId,
    DiskId,
    Epoch,
    Grant,
    MountState,
    NodeId,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import final, reason
from controller.planner.context import FAR
from controller.protocol import endpoints
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.beats import Beat, Pace
from controller.protocol.messages import (
    Empty,
    Hello,
    MountGrant,
    MountRequest,
    Orders,
    Pending,
    Sync,
    VolumeReport,
)
from controller.reconciler.gate_reports import Heard, orders
from controller.reconciler.history import with_report
from controller.reconciler.state import LoopState, Observation
from controller.records.base import Records, RecordsUnavailable, Stale
from drivers.base import DeviceHint, DriverError, StorageDriver

LONGEST_WAIT = 60.0
REPEAT_ORDERS = 1.0  # seconds after which orders that were not obeyed are said again
UNBELIEVED = (
    "its gate says serial {}, far above any that was given: its state is damaged. Drain that node and restart it, or "
    "let it leave and join again"
)
UNCLAIMED_LOOKS = 2  # looks that must agree that no task here wants the volume before a Mount is refused


class GateRequests:
    def __init__(
        self,
        state: LoopState,
        records: Records,
        driver: StorageDriver | None,
        registry: NodeRegistry,
        read_deadline: float = 10.0,
        beats: Beats = unwanted,
    ) -> None:
        self._state = state
        self._beats = beats
        self._registry = registry
        self._gates = state.gates
        self._records = records
        self._driver = driver
        self._unrecorded = UnrecordedDisks(state, driver)
        self._wakeup = state.wakeup
        self._clock = state.clock
        self._wall = state.wall
        self._read_deadline = read_deadline
        self._told: dict[VmId, Orders] = {}
        self._devices: dict[VolumeName, tuple[Epoch, DiskId, VmId, DeviceHint]] = {}  # as last told, for one epoch
        self.closing = False

    def routes(self) -> Iterable[Route]:
        yield route(endpoints.MOUNT, lambda peer, asked: self.mount(peer.node, asked))
        yield route(endpoints.SYNC, lambda peer, asked: self.sync(peer.node, asked))
        yield route(endpoints.HELLO, lambda peer, asked: self.hello(peer.node, asked))
        yield route(endpoints.BEAT, lambda peer, asked: self.beat(peer.node, asked))

    async def hello(self, node: NodeId, hello: Hello) -> Empty | Rejection:
        who = await self._registry.register(Caller(node, VmId(hello.vm), BootId(hello.boot)), hello.hostname)
        if isinstance(who, Rejection):
            return who
        self._state.hellos[node] = hello
        if hello.engine is not None:
            self._state.clock_offsets[node] = hello.engine.clock - self._state.wall()
        return Empty()

    async def beat(self, node: NodeId, beat: Beat) -> Pace | Rejection:
        caller = Caller(node, VmId(beat.vm), BootId(beat.boot))
        who = await self._registry.register(caller)
        return who if isinstance(who, Rejection) else Pace(self._beats(caller.node, caller.vm, caller.boot))

    # What has it mounted?

    async def sync(self, node: NodeId, sync: Sync) -> Orders | Rejection:
        """Answers at once when there is something to do, else after ``sync.wait`` seconds."""
        caller = Caller(node, VmId(sync.vm), BootId(sync.boot))
        seen = await self._registry.register(caller)
        if isinstance(seen, Rejection):
            return seen
        sync = msgspec.structs.replace(sync, volumes=tuple(map(self._believed, sync.volumes)))
        news = self._gates.changes(sync)
        number = self._gates.hear(node, sync)
        if number is None:
            return Rejection(
                Status.CONFLICT, f"boot {sync.boot} of VM {sync.vm} has ended: another one was heard since"
            )
        self._state.nodes.heard(caller.vm, sync.carried)
        try:
            problem = await self._note(caller, seen.hostname, sync.volumes)
        except RecordsUnavailable as error:
            return unavailable(error)
        if problem is not None:
            return problem
        if news:
            self._wakeup(f"the gate on {seen.hostname} reported a change")
        return await self._orders(caller, number, min(sync.wait, LONGEST_WAIT))

    def _believed(self, report: VolumeReport) -> VolumeReport:
        """
        Numbers that no controller gave are not followed: the next one would be above them, until none is left.

        Such a word about one volume counts as that it is in use by somebody; what its gate says of others counts on.
        """
        record, newest = self._state.record(VolumeName(report.name)), max(report.serial, report.floor)
        if record is None or newest <= record.serial + FAR:
            return report
        return VolumeReport(report.name, "mounted", 0, 1, problem=UNBELIEVED.format(newest), users=(0,))

    async def _orders(self, caller: Caller, number: int, wait: float) -> Orders:
        ends = self._clock() + wait
        while (heard := self._waiting(caller.vm, number)) is not None:
            found = self._state.nodes.beside(caller.vm, self._to_let_go(caller, heard))
            if found and self._told.get(caller.vm) != found:
                self._told[caller.vm] = found
                return found
            if not found:
                self._told.pop(caller.vm, None)
            ends = min(ends, self._clock() + REPEAT_ORDERS) if found else ends
            left = ends - self._clock()
            if left <= 0:
                return found
            await self._state.changed.wait(left)
        return Orders()

    def _waiting(self, vm: VmId, number: int) -> Heard | None:
        """The sync to answer; None when a newer one is answered, its gate is to speak, or we do not act any more."""
        heard = self._gates.newest(vm)
        if heard is None or heard.number != number or self.closing or self._gates.prodded(vm, number):
            return None
        return heard

    def _to_let_go(self, caller: Caller, heard: Heard) -> Orders:
        if not self._state.knows_records:
            return Orders()  # a record that was not read is not one that does not exist
        told = {name: said for name, said in heard.volumes.items() if self._state.unreadable(name) is None}
        named = {name: record for name in told if (record := self._state.record(name)) is not None}
        known = replace(heard, volumes=told)  # what cannot be read may allow it: nothing is said about such a volume
        return orders(caller.vm, known, {**named, **self._state.holding(caller.vm, caller.boot)})

    async def _note(self, caller: Caller, hostname: str, reports: tuple[VolumeReport, ...]) -> Rejection | None:
        for report in reports:
            if report.formatted or report.state == MountState.MOUNTED.value:
                problem = await self._note_one(caller, hostname, report)
                if problem is not None:
                    return problem
        return None

    async def _note_one(self, caller: Caller, hostname: str, report: VolumeReport) -> Rejection | None:
        for _ in range(ATTEMPTS):
            record = self._state.record(VolumeName(report.name))
            if record is None:
                return self._without_record(report)
            change = self._with_news(caller, hostname, report, record)
            if change is None or await self._stored(change):
                return None
        return unavailable(f"the record of volume {report.name} is being changed all the time")

    def _without_record(self, report: VolumeReport) -> Rejection | None:
        """What was mounted is told in each sync; what was formatted must be kept before it is mounted."""
        if not report.formatted:
            return None
        if not self._state.knows_records:
            return unavailable(f"the record of volume {report.name} could not be read")
        return Rejection(Status.MISSING, f"there is no volume {report.name}: it was formatted, but may not be mounted")

    async def _stored(self, change: VolumeRecord) -> bool:
        written = await self._records.replace_volume(change)
        if not isinstance(written, Stale):
            self._state.wrote(written)
            return True
        newest = (await self._records.volumes()).get(change.name)
        if newest is not None:
            self._state.wrote(newest)
        return False

    def _with_news(
        self, caller: Caller, hostname: str, report: VolumeReport, record: VolumeRecord
    ) -> VolumeRecord | None:
        """The record with what this report adds to it; None when it adds nothing, or comes from nobody who may."""
        grant = next((each for each in record.grants if is_of(each, caller)), None)
        return None if grant is None else with_report(record, report, grant.epoch, self._wall(), hostname)

    # May it mount?

    async def mount(self, node: NodeId, request: MountRequest) -> MountGrant | Pending | Rejection:
        caller = Caller(node, VmId(request.vm), BootId(request.boot))
        seen = await self._registry.register(caller)
        if isinstance(seen, Rejection):
            return seen
        name = VolumeName(request.volume)
        begun = self._state.begun
        ends = self._clock() + min(request.wait, LONGEST_WAIT)
        looks: set[int] = set()
        while True:
            asked = self._asked(caller, name)
            look = self._since(begun)
            found = asked.at_once(looked=look is not None)
            if look is not None:
                looks.add(look.number)
                found = found or await self._refusal(asked, look.world, len(looks), seen.hostname)
            if isinstance(found, Rejection):
                return found
            if found is not None:
                return await self._allow(asked, found)
            if self._clock() >= ends or self.closing:
                return Pending(self._state.why(name))
            if len(looks) < UNCLAIMED_LOOKS:
                self._wakeup(f"the gate on {seen.hostname} wants to mount {name}")
            await self._state.changed.wait(ends - self._clock())

    def _since(self, begun: int) -> Observation | None:
        """The newest look, if it began after a Mount."""
        look = self._state.look
        return look if look is not None and look.number > begun else None

    def _asked(self, caller: Caller, name: VolumeName) -> AskedMount:
        world, heard = self._state.world, self._gates.newest(caller.vm)
        claim = None if world is None or world.claims is None else world.claims.get(name)
        said = None if heard is None or heard.boot != caller.boot else heard.volumes.get(name)
        return AskedMount(caller, name, self._state.record(name), claim, said)

    async def _refusal(self, asked: AskedMount, world: World, looks: int, hostname: str) -> Rejection | None:
        """Why waiting cannot help. A task that was placed a moment ago is in every look that began after its Mount."""
        decision = self._state.decisions.get(asked.name)
        if decision is not None and final(decision.action):
            return Rejection(Status.CONFLICT, reason(decision.action))
        if self._state.unreadable(asked.name) is not None:
            return None
        if world.volumes is not None and asked.record is None and asked.name not in world.volumes:
            return await self._no_record(asked.name)
        if world.claims is None or looks < UNCLAIMED_LOOKS:
            return None
        return asked.not_yours(world, hostname)

    async def _no_record(self, name: VolumeName) -> Rejection:
        try:
            found = await self._unrecorded.of(name)
        except DriverError as error:
            return unavailable(f"volume {name} is in no record, and whether it has a disk cannot be seen: {error}")
        if found is not None:
            return Rejection(Status.CONFLICT, str(found))
        return Rejection(Status.MISSING, f"there is no volume {name}: create it again")

    async def _allow(self, asked: AskedMount, grant: Grant) -> MountGrant | Pending:
        record, vm = asked.record, asked.caller.vm
        if record is None or record.disk is None or self._driver is None:
            return Pending(self._state.why(asked.name))
        try:
            async with asyncio.timeout(self._read_deadline):
                device = await self._driver.device(record.disk, vm)
        except (DriverError, TimeoutError) as error:
            known = self._as_before(record, grant)
            if known is None:
                return Pending(f"the storage cannot say how VM {vm} sees the disk: {error or 'no answer'}")
            device = known
        self._devices[record.name] = grant.epoch, record.disk, vm, device
        return permission(record, grant, asked.claim, device)

    def _as_before(self, record: VolumeRecord, grant: Grant) -> DeviceHint | None:
        """How the guest names a disk that has stayed there, where the storage cannot be asked (`Rules.stayed`)."""
        world = self._state.world
        away = world is not None and (world.attachments is None or bool(world.unlisted))
        epoch, disk, vm, device = self._devices.get(record.name, (None, None, None, None))
        return device if away and (epoch, disk, vm) == (grant.epoch, record.disk, grant.vm) else None
