"""A node's gate as the loop meets it: it mounts what Swarm's task wants and it is granted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.api.gate_requests import GateRequests
from controller.model import (
    NodeId,
    VmId,
    VolumeName,
)
from controller.protocol.answers import Rejection
from controller.protocol.beats import Beat, Pace
from controller.protocol.messages import MountGrant, MountRequest, Pending, Sync, VolumeReport

if TYPE_CHECKING:
    from tests.support.shell import FakeCluster


class FakeGate:
    """One node's gate, in one boot: it mounts what Swarm's task wants and it is granted."""

    def __init__(self, cluster: FakeCluster, node: NodeId, boot: str) -> None:
        self.cluster = cluster
        self.node = node
        self.vm = VmId(f"vm-{node}")
        self.boot = boot
        self.mounted: dict[VolumeName, int] = {}
        self.floor: dict[VolumeName, int] = {}
        self.running: set[VolumeName] = set()  # containers that use a volume
        self.formatted: list[VolumeName] = []
        self.suffering: dict[VolumeName, str] = {}  # what is wrong with a mount
        self.answers: list[str] = []
        self.frozen = False
        self.room = (0, 0)  # bytes used and available of what is mounted
        self.beating = True

    def sync(self, formatted: VolumeName | None = None) -> Sync:
        names = sorted({*self.mounted, *self.floor, *([formatted] if formatted else [])})
        return Sync(
            vm=self.vm,
            boot=self.boot,
            version=self.cluster.gate_version,
            wait=20.0,
            volumes=tuple(
                VolumeReport(
                    name,
                    "mounted" if name in self.mounted else "unmounted",
                    max(self.mounted.get(name, 0), self.floor.get(name, 0)),
                    mounts=int(name in self.mounted),
                    users=(self.mounted[name],) if name in self.mounted else (),
                    floor=self.floor.get(name, 0),
                    formatted=name == formatted,
                    used=self.room[0] if name in self.mounted else 0,
                    available=self.room[1] if name in self.mounted else 0,
                    problem=self.suffering.get(name),
                    suffers=name in self.suffering,
                )
                for name in names
            ),
        )

    async def talk(self) -> None:
        """The sync loop."""
        while not self.frozen:
            gate_requests = self.cluster.acting
            if gate_requests is None:
                await asyncio.sleep(0.5)
                continue
            answer = await gate_requests.sync(self.node, self.sync())
            if isinstance(answer, Rejection):
                self.answers.append(answer.why)
                await asyncio.sleep(1.0)
                continue
            for order in answer.releases:
                name = VolumeName(order.volume)
                if name not in self.running:
                    self.floor[name] = max(self.floor.get(name, 0), order.serial, self.mounted.pop(name, 0))

    async def beat(self) -> None:
        """The node service beside it, which is another process: it beats for as long as ``beating``."""
        while self.beating:
            answer = None if self.cluster.acting is None else await self.cluster.acting.beat(self.node, self._beat())
            await asyncio.sleep(answer.every if isinstance(answer, Pace) and answer.every else 1.0)

    def _beat(self) -> Beat:
        return Beat(self.vm, self.boot)

    async def start(self, volume: VolumeName) -> None:
        """Docker's Mount for a task, until it is granted or refused."""
        while not self.frozen and not self.cluster.is_off(self.vm):
            gate_requests = self.cluster.acting
            if gate_requests is None:
                await asyncio.sleep(0.1)
                continue
            answer = await gate_requests.mount(self.node, MountRequest(volume, self.vm, self.boot))
            if isinstance(answer, MountGrant) and answer.serial > self.floor.get(volume, 0):
                await self._use(gate_requests, volume, answer)
                return
            self.answers.append(answer.why if isinstance(answer, Rejection | Pending) else "an old grant")
            if isinstance(answer, Rejection):
                return
            await asyncio.sleep(0.1)

    async def _use(self, gate_requests: GateRequests, volume: VolumeName, grant: MountGrant) -> None:
        disk = self.cluster.record(volume).disk
        assert disk is not None
        if grant.may_format:
            self.formatted.append(volume)
            assert not isinstance(await gate_requests.sync(self.node, replace_wait(self.sync(volume))), Rejection)
        self.cluster.storage.write(self.vm, disk)
        self.mounted[volume] = grant.serial
        self.running.add(volume)
        await gate_requests.sync(self.node, replace_wait(self.sync()))

    async def stop(self, volume: VolumeName) -> None:
        """The container ends; Docker unmounts."""
        self.running.discard(volume)
        self.floor[volume] = max(self.floor.get(volume, 0), self.mounted.pop(volume, 0))
        disk = self.cluster.record(volume).disk
        assert disk is not None
        self.cluster.storage.vms[self.vm].writing.discard(disk)
        if self.cluster.acting is not None:
            await self.cluster.acting.sync(self.node, replace_wait(self.sync()))


def replace_wait(sync: Sync) -> Sync:
    return Sync(sync.vm, sync.boot, sync.version, sync.volumes, wait=0.0)
