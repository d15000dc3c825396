"""
A gate and the Docker of its node in the walks. Tasks of two services may share a volume there; of each, one container.

A task's number says which service it is of by its first letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, TypeVar

import msgspec

from controller.api.gate_requests import GateRequests
from controller.model import DiskId, NodeId, TaskId, VolumeName
from controller.protocol.answers import Rejection
from controller.protocol.messages import MountGrant, MountRequest, Sync, VolumeReport
from controller.records.base import RecordsUnavailable
from tests.support.fake_gate import FakeGate, replace_wait

if TYPE_CHECKING:
    from tests.sim.loop import RoughCluster

T = TypeVar("T")
CLIENT_DEADLINE = 45.0  # seconds after which a gate gives up on an answer


class RoughGate(FakeGate):
    """It goes on with what it has while nobody can be reached (``cut``)."""

    cluster: RoughCluster
    cut = False
    slow = 0.0  # seconds between a grant's arrival and its use
    lingers = 0.0  # seconds that a container takes to end

    def __init__(self, cluster: RoughCluster, node: NodeId, boot: str) -> None:
        super().__init__(cluster, node, boot)
        self.cluster = cluster
        self._using: dict[VolumeName, DiskId] = {}
        self._boxes: dict[VolumeName, dict[TaskId, int]] = {}  # containers that run, and the serial of each one's mount
        self._asked: dict[TaskId, float] = {}  # when a container was told to end

    def sync(self, formatted: VolumeName | None = None) -> Sync:
        said = super().sync(formatted)
        return msgspec.structs.replace(said, volumes=tuple(self._counted(each) for each in said.volumes))

    def _counted(self, report: VolumeReport) -> VolumeReport:
        users = tuple(sorted(self._boxes.get(VolumeName(report.name), {}).values()))
        return msgspec.structs.replace(report, formatted=bool(users), mounts=len(users), users=users)

    @property
    def reached(self) -> GateRequests | None:
        return None if self.cut or self.frozen else self.cluster.acting

    async def talk(self) -> None:
        while not self.frozen:
            await self._once(self.sync())

    async def _once(self, sync: Sync) -> None:
        gate_requests = self.reached
        answer = None if gate_requests is None else await within(gate_requests.sync(self.node, sync))
        if answer is None or isinstance(answer, Rejection) or self.reached is None:
            await asyncio.sleep(0.5)
            return
        for order in answer.releases:
            name = VolumeName(order.volume)
            self.floor[name] = max(self.floor.get(name, 0), order.serial)
            if name not in self.running:
                self.floor[name] = max(self.floor[name], self.mounted.pop(name, 0))

    async def obey_swarm(self) -> None:
        """Swarm's agent: starts and ends the containers of this node, while Swarm reaches it."""
        while not self.frozen:
            await asyncio.sleep(0.3)
            for name in [] if self.cut else [*self.running]:
                for task in [*self._boxes[name]]:
                    if task not in self.cluster.wanted(name, self.node):
                        self._end(name, task)
            for name in [] if self.cut else [*self.cluster.swarm.wants]:
                for task in self.lacks(name):
                    await self._mount(name, task)

    def lacks(self, name: VolumeName) -> list[TaskId]:
        """Tasks that Swarm wants here and whose container does not run."""
        return [task for task in self.cluster.wanted(name, self.node) if task not in self._boxes.get(name, {})]

    def _end(self, volume: VolumeName, task: TaskId) -> None:
        """The gate unmounts after the last of them."""
        now, boxes = asyncio.get_running_loop().time(), self._boxes[volume]
        if now < self._asked.setdefault(task, now) + self.lingers:
            return
        del boxes[task], self._asked[task]
        if boxes:
            return
        self.running.discard(volume)
        self.cluster.storage.vms[self.vm].writing.discard(self._using[volume])
        self.floor[volume] = max(self.floor.get(volume, 0), self.mounted.pop(volume, 0))

    async def _mount(self, name: VolumeName, task: TaskId) -> None:
        gate_requests = self.reached
        request = MountRequest(name, self.vm, self.boot, wait=5.0)
        answer = None if gate_requests is None else await within(gate_requests.mount(self.node, request))
        await asyncio.sleep(self.slow)
        self.frozen = self.frozen or self.cluster.is_off(self.vm)  # a fence came meanwhile: nobody is there any more
        if not isinstance(answer, MountGrant) or self.frozen or not self._hands_out(name, answer):
            return
        disk = DiskId(answer.by_id[0].removeprefix("reberth-"))
        if self.vm not in self.cluster.storage.attached.get(disk, set()):
            return  # the gate waits for the device in vain
        assert answer.may_format or disk in self.cluster.formatted, f"{disk} is blank, but may not be formatted"
        self.cluster.formatted.add(disk)  # only what is blank: a real gate looks first
        self.cluster.storage.write(self.vm, disk)
        self._begin(name, self._whose(name, task, answer), disk, answer)
        gate_requests = self.reached
        if gate_requests is not None:
            await within(gate_requests.sync(self.node, replace_wait(self.sync())))

    def _hands_out(self, name: VolumeName, grant: MountGrant) -> bool:
        """One mount under a grant, and none beside one of a void grant."""
        counted = self._boxes.get(name, {}).values()
        fit = grant.serial > self.floor.get(name, 0) and grant.serial not in counted
        return fit and all(serial > grant.void for serial in counted)

    def _whose(self, name: VolumeName, task: TaskId, grant: MountGrant) -> TaskId:
        """A Mount does not say whose it is; where several are wanted, the controller has looked whose it can be."""
        return TaskId(grant.task) if len(self.cluster.wanted(name, self.node)) > 1 else task

    def _begin(self, name: VolumeName, task: TaskId, disk: DiskId, grant: MountGrant) -> None:
        boxes = self._boxes.setdefault(name, {})
        assert not any(each[0] == task[0] for each in boxes), f"two containers of one slot on {self.node}: {task}"
        boxes[task] = grant.serial
        self.mounted[name] = max(self.mounted.get(name, 0), grant.serial)
        self.floor[name] = max(self.floor.get(name, 0), grant.void)
        self.running.add(name)
        self._using[name] = disk


async def within(answer: Coroutine[None, None, T]) -> T | None:
    """A gate's client gives up some time; the controller may have died over the request."""
    try:
        async with asyncio.timeout(CLIENT_DEADLINE):
            return await answer
    except (TimeoutError, RecordsUnavailable):
        return None
