"""
Sixty volumes of one dead node against one: `python -m tests.bench.volumes`. Root.

The real loop, planner, executor and lab driver on a real lab's machine host and its loop devices; the records are in
memory, and Swarm is told to be as it is after a node died: so it is the disks' way that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from controller.model import (
    BootId,
    DiskId,
    Grant,
    Node,
    NodeId,
    NodeState,
    Phase,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.planner.plan import decide
from controller.protocol.messages import Sync
from controller.reconciler.executor import Executor
from controller.reconciler.observer import Observer, Sources
from controller.reconciler.reconciler import Parts, Reconciler
from controller.reconciler.record_writer import RecordWriter
from controller.reconciler.state import LoopState
from controller.reconciler.storage_actions import StorageActions
from controller.records.base import NodeRecord
from controller.records.memory import MemoryRecords, MemoryStore
from controller.settings import Settings
from deploy.lab.lab import Lab, LabSpec
from drivers.base import Created, HypervisorDriver
from drivers.lab import create
from tests.bench.large import EPOCH
from tests.bench.reconcile import quiet
from tests.support.executors import Leading
from tests.support.fake_swarm import FakeSwarm

OLD, NEW = NodeId("old"), NodeId("new")
BOOT = BootId("boot")
MIB = 1 << 20
PATIENCE = 300.0


class Moved(msgspec.Struct, frozen=True):
    """Seconds until all disks are on the new VM."""

    one: float
    many: float


async def prepare(driver: HypervisorDriver, old: VmId, count: int) -> MemoryStore:
    """Disks on the dead VM, granted there."""
    store = MemoryStore()
    for number in range(count):
        name = f"bench-{count}-{number}"
        made = await driver.create(VolumeKey(name), Spec(16 * MIB))
        if not isinstance(made, Created):
            raise RuntimeError(f"the disk {name} was not made: {made}")  # noqa: TRY004 -- an outcome, not a type
        grant = Grant(TaskId("t1"), OLD, old, BOOT, EPOCH, Serial(1))
        store.volumes[VolumeName(name)] = VolumeRecord(
            VolumeName(name), VolumeKey(name), Spec(16 * MIB), name, Phase.READY, made.disk, True, Serial(1), (grant,)
        )
    await driver.attach([each.disk for each in store.volumes.values() if each.disk is not None], old, EPOCH)
    return store


async def move(driver: HypervisorDriver, old: VmId, new: VmId, count: int) -> float:
    store = await prepare(driver, old, count)
    clock = asyncio.get_running_loop().time
    swarm = FakeSwarm()
    for node, vm, seen in ((OLD, old, NodeState.DOWN), (NEW, new, NodeState.READY)):
        swarm.nodes[node] = Node(node, node, seen)
        store.nodes[node] = NodeRecord(node, vm, BOOT, node)
    for name in store.volumes:
        swarm.wants[name] = (TaskId(f"t2-{name}"), NEW)
    state, records, acting = LoopState(clock), MemoryRecords(store), Leading(EPOCH)
    state.gates.hear(NEW, Sync(new, BOOT, "bench"))
    policy = Settings().planner_policy(driver.capabilities)
    observer = Observer(Sources(swarm, records, driver, driver, state.gates), clock, 60.0, policy.gate_fresh)
    writer = RecordWriter(state, records)
    executor = Executor(writer, StorageActions(writer, driver, driver, acting))
    parts = Parts(observer, decide, policy, executor, acting, records, state)
    disks = {each.disk for each in store.volumes.values() if each.disk is not None}
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        loop = group.create_task(Reconciler(parts).run())
        while not await _arrived(driver, disks, new):  # noqa: ASYNC110 -- the storage is what is watched
            await asyncio.sleep(0.02)
        seconds = time.monotonic() - began
        loop.cancel()
    return seconds


async def _arrived(driver: HypervisorDriver, disks: set[DiskId], vm: VmId) -> bool:
    return disks <= {each.disk for each in (await driver.list_attachments()).attachments if each.vm == vm}


async def measure(lab: Lab, count: int) -> Moved:
    driver = create({"url": lab.host.url, "token_file": str(lab.host.token_file)})
    old, new = (VmId(each.vm) for each in lab.nodes[1:3])
    lab.power_off(lab.nodes[1].name)
    try:
        return Moved(await move(driver, old, new, 1), await move(driver, old, new, count))
    finally:
        await driver.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--volumes", type=int, default=60)
    options.add_argument("--name", default="bench60")
    options.add_argument("--subnet", default="10.79.78.0/24")
    chosen = options.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as cache:
        try:
            lab = Lab.up(LabSpec(chosen.name, subnet=chosen.subnet, cache=Path(cache)))
            found = asyncio.run(measure(lab, chosen.volumes))
        finally:
            Lab.remove(chosen.name)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
