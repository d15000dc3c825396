"""
One reconcile of a large swarm in which nothing is to be done: look, plan, judge, publish.

Docker answers from another process, over a real socket, through the real watcher; the storage is the one in memory.
``--records swarm`` reads the records over the same socket, as in life; ``memory`` leaves that out.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiodocker
import msgspec

from controller.model import Epoch
from controller.planner.actions import Converged
from controller.planner.plan import decide
from controller.reconciler.executor import Executor
from controller.reconciler.gate_reports import GateReports
from controller.reconciler.observer import Observer, Sources
from controller.reconciler.reconciler import Parts, Reconciler
from controller.reconciler.record_writer import RecordWriter
from controller.reconciler.state import LoopState
from controller.reconciler.storage_actions import StorageActions
from controller.records.base import Records
from controller.records.memory import MemoryRecords
from controller.records.swarm import SwarmRecords
from controller.settings import Settings
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from tests.bench import large
from tests.bench.docker_answers import docker_answers
from tests.bench.large import EPOCH, Size
from tests.support.executors import Leading
from watchers.swarm import SwarmWatcher

ROUNDS = 15
LEADS = Epoch(EPOCH + 1)  # under the records' own, unused, the loop would take another first


class Measured(msgspec.Struct, frozen=True):
    """Milliseconds and MiB. ``wall`` of each cycle, ``cpu`` of our process in it; ``peak`` is the process's own."""

    wall: list[float]
    cpu: list[float]
    before: float
    peak: float


@dataclass(frozen=True, slots=True)
class Rig:
    loop: Reconciler
    state: LoopState
    gates: GateReports
    watcher: SwarmWatcher
    storage: MemoryStorage


def rig(size: Size, docker: aiodocker.Docker, in_swarm: bool) -> Rig:
    clock = asyncio.get_running_loop().time
    driver, state, acting = MemoryDriver(large.storage(size)), LoopState(clock), Leading(LEADS)
    records: Records = SwarmRecords(docker) if in_swarm else MemoryRecords(large.store(size))
    watcher = SwarmWatcher(docker, state.wakeup)
    policy = Settings().planner_policy(driver.capabilities)
    writer = RecordWriter(state, records)
    parts = Parts(
        observer=Observer(Sources(watcher, records, driver, driver, state.gates), clock, 60.0, policy.gate_fresh),
        planner=decide,
        policy=policy,
        executor=Executor(writer, StorageActions(writer, driver, driver, acting)),
        acting=acting,
        records=records,
        state=state,
    )
    return Rig(Reconciler(parts), state, state.gates, watcher, driver.storage)


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(size: Size, url: str, in_swarm: bool, profile: str | None) -> Measured:
    before, wall, cpu = memory(), [], []
    async with aiodocker.Docker(url=url) as docker, asyncio.TaskGroup() as operations:
        made = rig(size, docker, in_swarm)
        large.let_gates_speak(size, made.gates)
        await made.loop.cycle(operations)  # everything is new to the first one: it writes a line for each volume
        check(size, made.state)
        with profiled(profile):
            for _ in range(ROUNDS):
                began, spent = time.perf_counter(), time.process_time()
                await made.loop.cycle(operations)
                wall.append(1000 * (time.perf_counter() - began))
                cpu.append(1000 * (time.process_time() - spent))
    return Measured(wall, cpu, before, memory())


def check(size: Size, state: LoopState) -> None:
    """What was measured must be what was meant."""
    world = state.world
    if world is None or world.unread or world.nodes is None or len(world.nodes) != size.nodes:
        raise RuntimeError(f"the swarm was not read: {world and world.unread}")
    converged = [each for each in state.decisions.values() if isinstance(each.action, Converged)]
    if len(converged) != size.volumes:
        odd = next((each for each in state.decisions.values() if not isinstance(each.action, Converged)), None)
        raise RuntimeError(f"{len(converged)} of {size.volumes} volumes are settled; {odd}")


class profiled:  # noqa: N801 -- used as a statement
    def __init__(self, to: str | None) -> None:
        self._to, self._profile = to, cProfile.Profile(time.process_time)  # others may use the cores as well

    def __enter__(self) -> None:
        if self._to is not None:
            self._profile.enable()

    def __exit__(self, *_: object) -> None:
        if self._to is not None:
            self._profile.disable()
            pstats.Stats(self._profile, stream=sys.stderr).sort_stats(self._to).print_stats(45)


def run(size: Size, in_swarm: bool, profile: str | None = None) -> Measured:
    with tempfile.TemporaryDirectory() as folder, docker_answers(Path(folder), size) as url:
        return asyncio.run(measure(size, url, in_swarm, profile))


def quiet() -> None:
    """No log: two thousand first lines are no part of a reconcile."""
    import structlog  # noqa: PLC0415

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", choices=("memory", "swarm"), default="swarm")
    options.add_argument("--mounting", action="store_true", help="all tasks mount volumes, so Docker sends them all")
    options.add_argument("--profile", choices=("cumtime", "tottime"))
    chosen = options.parse_args()
    quiet()
    found = run(Size(mounting=chosen.mounting), chosen.records == "swarm", chosen.profile)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
