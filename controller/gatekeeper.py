"""
What gates ask: here is what I have mounted, what am I to let go, may I mount this.

A gate gets a volume only if Swarm's Raft says that a task on its node mounts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from controller.actions import Refuse
from controller.admission import ATTEMPTS, Admission, Caller
from controller.answers import No, Status, try_later
from controller.board import Board, Look, Poke, reason
from controller.gates import Gates, Heard, orders
from controller.journal import mounted_is_news
from controller.model import (
    BootId,
    Claim,
    GateVolume,
    Grant,
    HistoryEntry,
    Moment,
    MountState,
    NodeId,
    Refusal,
    VmId,
    VolumeName,
    VolumeRecord,
)
from controller.records import Records, RecordsUnavailable, Stale
from controller.wire import Empty, Hello, MountGrant, MountRequest, Orders, Pending, Sync, VolumeReport
from drivers.base import DriverError, StorageDriver

LONGEST_WAIT = 60.0
REPEAT_ORDERS = 1.0  # seconds after which orders that were not obeyed are said again
UNCLAIMED_LOOKS = 2  # looks that must agree that no task here wants the volume before a Mount is refused


class Gatekeeper:
    def __init__(  # noqa: PLR0913, PLR0917 -- app.py joins these once
        self,
        board: Board,
        gates: Gates,
        records: Records,
        driver: StorageDriver | None,
        poke: Poke,
        clock: Callable[[], float],
        wall: Callable[[], float],
        read_deadline: float = 10.0,
    ) -> None:
        self._board = board
        self._admission = Admission(board, records, poke)
        self._gates = gates
        self._records = records
        self._driver = driver
        self._poke = poke
        self._clock = clock
        self._wall = wall
        self._read_deadline = read_deadline
        self._told: dict[VmId, Orders] = {}
        self.closing = False

    async def hello(self, node: NodeId, hello: Hello) -> Empty | No:
        who = await self._admission.admit(Caller(node, VmId(hello.vm), BootId(hello.boot)), hello.hostname)
        if isinstance(who, No):
            return who
        self._board.hellos[node] = hello
        return Empty()

    # What has it mounted?

    async def sync(self, node: NodeId, sync: Sync) -> Orders | No:
        """Answers at once when there is something to let go, else after ``sync.wait`` seconds."""
        caller = Caller(node, VmId(sync.vm), BootId(sync.boot))
        seen = await self._admission.admit(caller)
        if isinstance(seen, No):
            return seen
        news = self._gates.changes(sync)
        number = self._gates.hear(node, sync)
        if number is None:
            return No(Status.CONFLICT, f"boot {sync.boot} of VM {sync.vm} has ended: another one was heard since")
        try:
            problem = await self._note(caller, seen.hostname, sync.volumes)
        except RecordsUnavailable as error:
            return try_later(error)
        if problem is not None:
            return problem
        if news:
            self._poke(f"the gate on {seen.hostname} reported a change")
        return await self._orders(caller, number, min(sync.wait, LONGEST_WAIT))

    async def _orders(self, caller: Caller, number: int, wait: float) -> Orders:
        ends = self._clock() + wait
        while True:
            heard = self._gates.newest(caller.vm)
            if heard is None or heard.number != number or self.closing:
                return Orders()  # a newer sync is being answered, or we do not act any more
            found = self._to_let_go(caller, heard)
            if found.releases and self._told.get(caller.vm) != found:
                self._told[caller.vm] = found
                return found
            if not found.releases:
                self._told.pop(caller.vm, None)
            ends = min(ends, self._clock() + REPEAT_ORDERS) if found.releases else ends
            left = ends - self._clock()
            if left <= 0:
                return found
            await self._board.changed.wait(left)

    def _to_let_go(self, caller: Caller, heard: Heard) -> Orders:
        if not self._board.knows_records:
            return Orders()  # a record that was not read is not one that does not exist
        named = {name: record for name in heard.volumes if (record := self._board.record(name)) is not None}
        return orders(caller.vm, heard, {**named, **self._board.holding(caller.vm, caller.boot)})

    async def _note(self, caller: Caller, hostname: str, reports: tuple[VolumeReport, ...]) -> No | None:
        for report in reports:
            entries = {Moment.FORMATTED: report.formatted, Moment.MOUNTED: report.state == MountState.MOUNTED.value}
            if not any(entries.values()):
                continue
            for _ in range(ATTEMPTS):
                record = self._board.record(VolumeName(report.name))
                if record is None:
                    break
                change = self._with_news(caller, hostname, report, record)
                if change is None or await self._stored(change):
                    break
            else:
                return try_later(f"the record of volume {report.name} is being changed all the time")
            if record is None and report.formatted and not self._board.knows_records:
                return try_later(f"the record of volume {report.name} could not be read")
            if record is None and report.formatted:
                return No(Status.MISSING, f"there is no volume {report.name}: it was formatted, but may not be mounted")
        return None

    async def _stored(self, change: VolumeRecord) -> bool:
        written = await self._records.replace_volume(change)
        if not isinstance(written, Stale):
            self._board.wrote(written)
            return True
        newest = (await self._records.volumes()).get(change.name)
        if newest is not None:
            self._board.wrote(newest)
        return False

    def _with_news(
        self, caller: Caller, hostname: str, report: VolumeReport, record: VolumeRecord
    ) -> VolumeRecord | None:
        """The record with what this report adds to it; None when it adds nothing, or comes from nobody who may."""
        grant = next((each for each in record.grants if _is_of(each, caller)), None)
        if grant is None:
            return None
        change = record
        if report.formatted and not record.formatted:
            text = f"file system {record.spec.fstype} with UUID {record.carries}"
            if record.spec.source is not None:
                text = f"{text}, copied from volume {record.spec.source.volume}; its label is {record.fs_uuid}"
            entry = HistoryEntry(Moment.FORMATTED, self._wall(), grant.epoch, text, hostname)
            change = replace(change, formatted=True, history=(*change.history, entry))
        if report.state == MountState.MOUNTED.value and mounted_is_news(record, hostname):
            entry = HistoryEntry(Moment.MOUNTED, self._wall(), grant.epoch, f"serial {report.serial}", hostname)
            change = replace(change, history=(*change.history, entry))
        return None if change is record else change

    # May it mount?

    async def mount(self, node: NodeId, request: MountRequest) -> MountGrant | Pending | No:
        caller = Caller(node, VmId(request.vm), BootId(request.boot))
        seen = await self._admission.admit(caller)
        if isinstance(seen, No):
            return seen
        name = VolumeName(request.volume)
        begun = self._board.begun
        ends = self._clock() + min(request.wait, LONGEST_WAIT)
        looks: set[int] = set()
        while True:
            look = self._board.look
            seen_since = look is not None and look.number > begun
            grant = self._at_once(caller, name, seen_since)
            if grant is not None:
                return grant if isinstance(grant, No) else await self._allow(caller, name, grant)
            if look is not None and seen_since:
                looks.add(look.number)
                refusal = self._refusal(look, caller, name, seen.hostname, len(looks))
                if refusal is not None:
                    return refusal
            if self._clock() >= ends or self.closing:
                return Pending(self._board.why(name))
            if len(looks) < UNCLAIMED_LOOKS:
                self._poke(f"the gate on {seen.hostname} wants to mount {name}")
            await self._board.changed.wait(ends - self._clock())

    def _refusal(self, look: Look, caller: Caller, name: VolumeName, hostname: str, looks: int) -> No | None:
        """Why waiting cannot help. A task that was placed a moment ago is in every look that began after its Mount."""
        decision = self._board.decisions.get(name)
        if isinstance(decision, Refuse):
            return No(Status.CONFLICT, reason(decision))
        world = look.world
        if world.volumes is not None and name not in world.volumes and self._board.record(name) is None:
            return No(Status.MISSING, f"there is no volume {name}: create it again")
        if world.claims is None or looks < UNCLAIMED_LOOKS:
            return None
        claim = world.claims.get(name)
        if claim is not None and (claim.node is None or claim.node == caller.node):
            return None
        return No(Status.FORBIDDEN, _not_yours(name, hostname, claim, look))

    def _at_once(self, caller: Caller, name: VolumeName, seen_since: bool) -> Grant | No | None:
        """The grant to use. Where somebody else may be who asks, only what was seen since its Mount began can tell."""
        rivals = self._rivals(caller, name)
        if (rivals or self._mounted(caller, name)) and not seen_since:
            return None
        if rivals and self._stranger_asks(caller, name):
            return No(Status.CONFLICT, f"volume {name}: {rivals[0].why}")
        return self._usable(caller, name)

    def _claim(self, name: VolumeName) -> Claim | None:
        world = self._board.world
        return None if world is None or world.claims is None else world.claims.get(name)

    def _rivals(self, caller: Caller, name: VolumeName) -> tuple[Refusal, ...]:
        """Services on the caller's node that want the volume and do not get it."""
        claim = self._claim(name)
        return () if claim is None else tuple(each for each in claim.refused if each.node == caller.node)

    def _mounted(self, caller: Caller, name: VolumeName) -> bool:
        said = self._said(caller, name)
        return said is not None and said.state is MountState.MOUNTED

    def _said(self, caller: Caller, name: VolumeName) -> GateVolume | None:
        heard = self._gates.newest(caller.vm)
        return None if heard is None or heard.boot != caller.boot else heard.volumes.get(name)

    def _stranger_asks(self, caller: Caller, name: VolumeName) -> bool:
        """
        A Mount does not say whose it is. But of those who have the volume nobody here can be waiting for one: they are
        on another node, or their Mounts are behind them.
        """
        claim = self._claim(name)
        return claim is None or claim.node != caller.node or all(task.started for task in claim.tasks)

    def _usable(self, caller: Caller, name: VolumeName) -> Grant | None:
        record, claim = self._board.record(name), self._claim(name)
        if record is None or record.disk is None or record.revoked or claim is None or claim.node != caller.node:
            return None
        wanted = {task.id for task in claim.tasks}
        said = self._said(caller, name)
        used_up = said.serial if said is not None and said.state is MountState.UNMOUNTED else 0
        grants = [
            each for each in record.grants if _is_of(each, caller) and each.task in wanted and each.serial > used_up
        ]
        return max(grants, key=lambda each: each.serial, default=None)

    async def _allow(self, caller: Caller, name: VolumeName, grant: Grant) -> MountGrant | Pending:
        record = self._board.record(name)
        if record is None or record.disk is None or self._driver is None:
            return Pending(self._board.why(name))
        try:
            async with asyncio.timeout(self._read_deadline):
                device = await self._driver.device(record.disk, caller.vm)
        except (DriverError, TimeoutError) as error:
            return Pending(f"the storage cannot say how VM {caller.vm} sees the disk: {error or 'no answer'}")
        source = record.spec.source
        return MountGrant(
            volume=name,
            key=record.key,
            task=grant.task,
            epoch=grant.epoch,
            serial=grant.serial,
            by_id=device.by_id,
            size_bytes=record.spec.size_bytes,
            fstype=record.spec.fstype,
            fs_uuid=record.carries,
            may_format=source is None and not record.formatted,
            label="" if source is None else record.fs_uuid,
            source_label="" if source is None or record.formatted else source.label,
        )


def _is_of(grant: Grant, caller: Caller) -> bool:
    return (grant.node, grant.vm, grant.boot) == (caller.node, caller.vm, caller.boot)


def _not_yours(name: VolumeName, hostname: str, claim: Claim | None, look: Look) -> str:
    if claim is None or not claim.tasks:
        return (
            f"no Swarm task on node {hostname} mounts volume {name}: volumes of this driver are for services "
            "(`docker service create`, `docker stack deploy`), not for `docker run`"
        )
    nodes = look.world.nodes or {}
    found = None if claim.node is None else nodes.get(claim.node)
    other, service = found.hostname if found is not None else claim.node, claim.tasks[0].service
    return (
        f"Swarm wants volume {name} on node {other} (service {service}), not on {hostname}: a volume is on one node "
        "at a time"
    )
