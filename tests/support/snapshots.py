"""Snapshots of the volume ``data`` on a whole controller in memory: what people order, and the work beside the loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from controller.api.changes.snapshots import SnapshotRequests
from controller.model import DiskId, NodeId
from controller.protocol.answers import Rejection
from controller.protocol.operator import DeleteSnapshot, ListSnapshots, MakeSnapshot, RestoreSnapshot, Told
from controller.protocol.views import SnapshotView
from controller.reconciler.snapshots.acts import SnapshotActs
from controller.reconciler.snapshots.worker import SnapshotWorks
from controller.reconciler.storage_actions import Deadlines
from tests.support.in_use import in_use
from tests.support.shell import DATA, Controller, Scene


def requests(one: Controller) -> SnapshotRequests:
    return SnapshotRequests(one.state, one.records, one.driver)


def works(one: Controller) -> SnapshotWorks:
    acts = SnapshotActs(one.driver, one.state, one.records, one.lead, Deadlines())
    return SnapshotWorks(acts, one.driver, one.state, one.lead)


@dataclass
class Keeping:
    play: Scene
    requests: SnapshotRequests
    work: asyncio.Task[None]

    async def make(self, name: str = "nightly") -> SnapshotView | Rejection:
        return await self.requests.make(MakeSnapshot(DATA, name, "ada"))

    async def delete(self, name: str = "nightly") -> Told | Rejection:
        return await self.requests.delete(DeleteSnapshot(DATA, name, "ada"))

    async def restore(self, name: str = "nightly") -> Told | Rejection:
        return await self.requests.restore(RestoreSnapshot(DATA, name, "ada"))

    async def all(self) -> tuple[SnapshotView, ...]:
        found = await self.requests.list(ListSnapshots(DATA))
        assert not isinstance(found, Rejection), found
        return found.snapshots

    async def until(self, state: str, name: str = "nightly") -> SnapshotView:
        async with asyncio.timeout(2000):
            while True:
                found = next((each for each in await self.all() if each.name == name), None)
                if found is not None and found.state == state:
                    return found
                await asyncio.sleep(0.05)

    async def gone(self, name: str = "nightly") -> None:
        async with asyncio.timeout(2000):
            while any(each.name == name for each in await self.all()):  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.05)

    async def restored(self) -> None:
        async with asyncio.timeout(2000):
            while self.play.cluster.record().snapshots.restoring is not None:  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.05)

    def write(self, text: bytes) -> None:
        disk = self.play.cluster.record().disk
        assert disk is not None
        self.play.cluster.storage.contents[disk] = text

    def read(self, disk: str | None = None) -> bytes:
        found = disk or self.play.cluster.record().disk
        assert found is not None
        return self.play.cluster.storage.contents[DiskId(found)]


async def keeping(play: Scene) -> Keeping:
    """The volume is in use on node a, and has something on it."""
    await in_use(play)
    made = Keeping(play, requests(play.one), play.spawn(works(play.one).run()))
    made.write(b"first")
    return made


async def unused(play: Scene, node: str = "a") -> None:
    """Its service is scaled to 0, and nobody has it mounted any more."""
    del play.cluster.swarm.wants[DATA]
    play.cluster.swarm.services[DATA] = ("db",)
    await play.cluster.gates[NodeId(node)].stop(DATA)
    await asyncio.sleep(5)
