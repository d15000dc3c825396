"""What the loop reads of a swarm, in memory: its nodes and tasks, its records, and who leads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.model import (
    Claim,
    ClaimTask,
    Epoch,
    Node,
    NodeId,
    PausedPart,
    Refusal,
    Spec,
    TaskId,
    VolumeName,
    VolumeRecord,
)
from controller.records.base import Leadership, PartsChange, Stale
from controller.records.memory import Call, Fault, MemoryRecords, MemoryStore
from watchers.base import SwarmUnread


@dataclass
class FakeSwarm:
    """Swarm's nodes and where its tasks are: ``wants[volume] = (task, node)``. ``takes``: seconds to an answer."""

    nodes: dict[NodeId, Node] = field(default_factory=dict)
    wants: dict[VolumeName, tuple[TaskId, NodeId]] = field(default_factory=dict)
    refused: dict[VolumeName, tuple[Refusal, ...]] = field(default_factory=dict)
    shared: dict[VolumeName, TaskId] = field(default_factory=dict)  # a second service's task beside it
    started: set[TaskId] = field(default_factory=set)
    services: dict[VolumeName, tuple[str, ...]] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()  # of all services
    options: Mapping[str, str] = field(default_factory=lambda: {"size": "1GiB"})
    wished: dict[VolumeName, int] = field(default_factory=dict)
    said: dict[VolumeName, str] = field(default_factory=dict)  # of snapshots, in stack files
    unread: bool = False
    takes: float = 0.0
    shown: list[Mapping[VolumeName, Claim]] = field(default_factory=list)  # as the real one: unchanged is the very same

    async def snapshot(self) -> FakeSwarm:
        seen = replace(
            self,
            nodes=dict(self.nodes),
            wants=dict(self.wants),
            refused=dict(self.refused),
            shared=dict(self.shared),
            started=set(self.started),
            services=dict(self.services),
        )
        await asyncio.sleep(self.takes)
        if self.unread:
            raise SwarmUnread("the swarm has no leader")
        return seen

    def claims(self, specs: Mapping[VolumeName, Spec], holders: Mapping[VolumeName, str]) -> Mapping[VolumeName, Claim]:
        claims = {name: Claim(name, None, (), services=users) for name, users in self.services.items()}
        for name, (task, node) in self.wants.items():
            asked = {
                each: (self.options,) for each in (node, *(one.node for one in self.refused.get(name, ()))) if each
            }
            beside = self.shared.get(name)
            services = {task: f"service-{name}"} | ({} if beside is None else {beside: f"beside-{name}"})
            tasks = tuple(
                ClaimTask(each, service, node, started=each in self.started, constraints=self.constraints)
                for each, service in services.items()
            )
            claims[name] = Claim(name, node, tasks, refused=self.refused.get(name, ()), asked=asked)
            claims[name] = replace(claims[name], wished=self.wished.get(name, 0), schedule=self.said.get(name))
        if self.shown != [claims]:
            self.shown[:] = [claims]
        return self.shown[0]


class FragileRecords(MemoryRecords):
    """Fails the n-th call from now, and can end the whole controller after some writes."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._countdown: tuple[Call, int, Fault] | None = None
        self.writes_left: int | None = None
        self.killed = asyncio.Event()

    def fail_nth(self, call: Call, nth: int, fault: Fault) -> None:
        """``nth`` 0 is the next one."""
        self._countdown = (call, nth, fault)

    async def replace_volume(self, record: VolumeRecord) -> VolumeRecord | Stale:
        if self._countdown is not None:
            call, left, fault = self._countdown
            self._countdown = (call, left - 1, fault) if left else None
            if not left:
                self.fail(call, fault)
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left <= 0:
                self.killed.set()
                await asyncio.Event().wait()
        return await super().replace_volume(record)


class FakeLead:
    """Leadership by hand, on the real record, so that a rival deposes us as in life."""

    def __init__(self, records: MemoryRecords, me: NodeId) -> None:
        self._records = records
        self._me = me
        self.epoch: Epoch | None = None
        self.paused: str | None = None
        self.paused_parts: tuple[PausedPart, ...] = ()
        self.acting_address: str | None = None

    async def take(self, above: Epoch | None = None) -> bool:
        before = await self._records.leadership()
        epoch = Epoch(max(0 if before is None else before.epoch, above or 0) + 1)
        version = 0 if before is None else before.version
        written = await self._records.replace_leadership(Leadership(epoch, self._me, "here:1", version=version))
        self.epoch = None if isinstance(written, Stale) else epoch
        return self.epoch is not None

    async def still_acting(self, epoch: Epoch) -> bool:
        found = await self._records.leadership()
        acting = found is not None and found.epoch == epoch and found.holder == self._me
        if not acting and self.epoch == epoch:
            self.epoch = None
        return acting

    async def new_epoch(self, above: Epoch | None = None) -> bool:
        """As the real one: whoever was deposed does not depose in turn."""
        return self.epoch is not None and await self.still_acting(self.epoch) and await self.take(above)

    async def pause(self, reason: str | None) -> bool:
        self.paused = reason
        return True

    async def pause_parts(self, change: PartsChange) -> bool:
        self.paused_parts = change(self.paused_parts)
        return True
