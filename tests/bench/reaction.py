"""
From the event of a node that went down to the first call that changes something in the storage.

`python -m tests.bench.reaction`: the real watcher, loop and executor; Docker answers from another process; storage and
records are in memory, so what a driver and Swarm's Raft need comes on top.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import aiodocker
import aiohttp
import msgspec

from controller.model import Operation, Power
from tests.bench import large
from tests.bench.docker_answers import FAILED, docker_answers
from tests.bench.large import Size
from tests.bench.reconcile import Rig, check, profiled, quiet, rig

SETTLE = 12.0  # the watcher polls for 7 s after it began to listen
POLL = 0.0005
SMALL = Size(nodes=10, tasks=100, volumes=20)


class Reaction(msgspec.Struct, frozen=True):
    """Milliseconds. ``cpu``: of our process alone, which a busy machine does not lengthen as much."""

    wall: float
    cpu: float


async def react(size: Size, url: str, profile: str | None = None) -> Reaction:
    async with aiodocker.Docker(url=url) as docker, asyncio.TaskGroup() as group:
        made = rig(size, docker, in_swarm=False)
        large.let_gates_speak(size, made.gates)
        works = [group.create_task(made.watcher.run()), group.create_task(made.loop.run())]
        await asyncio.sleep(SETTLE)
        check(size, made.state)
        made.storage.switch(large.vm_id(FAILED), Power.OFF)
        made.storage.calls.clear()
        with profiled(profile):
            spent = time.process_time()
            at = await _fail(url)
            wall, cpu = await _first_call(made) - at, time.process_time() - spent
        for work in works:
            work.cancel()
    return Reaction(1000 * wall, 1000 * cpu)


async def _fail(url: str) -> float:
    connector = aiohttp.UnixConnector(url.removeprefix("unix://"))
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://docker/fail") as answer:
        return float((await answer.json())["at"])


async def _first_call(made: Rig) -> float:
    seen = 0
    async with asyncio.timeout(30):
        while True:
            calls = made.storage.calls[seen:]
            seen += len(calls)
            if any(isinstance(each.operation, Operation) for each in calls):
                return time.monotonic()
            await asyncio.sleep(POLL)


def run(size: Size, profile: str | None = None) -> Reaction:
    with tempfile.TemporaryDirectory() as folder, docker_answers(Path(folder), size) as url:
        return asyncio.run(react(size, url, profile))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--large", action="store_true")
    options.add_argument("--profile", choices=("cumtime", "tottime"))
    chosen = options.parse_args()
    quiet()
    found = run(Size() if chosen.large else SMALL, chosen.profile)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
