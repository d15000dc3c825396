"""
How far a Mount and a failover go through the code: calls from one file to another, from the real gate and loop.

`python -m tests.bench.walks`: each call of a function in another file is two moves, there and back; one that is
awaited counts once. Records, storage and the kernel are in memory. A call to one of these is counted; what it calls in
turn is not: in a swarm Docker and the storage system answer there. ``-v`` names the calls.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType

import looptime
import structlog

from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running
from tests.support.shell import Scene, scene

ROOT = Path(__file__).parents[2]
PRODUCT = tuple(f"{ROOT / each}/" for each in ("controller", "drivers", "watchers"))
CARRIED_OUT = ("Reconciler._start", "Reconciler._carry_out", "Executor.", "StorageActions.", "RecordWriter.")
ENDS = {"Attach": "MemoryDriver.attach", "Detach": "MemoryDriver.detach", "GrantMount": "MemoryRecords.replace_volume"}
IN_MEMORY = tuple(f"{ROOT / each}" for each in ("controller/records/memory.py", "drivers/memory.py"))
BESIDE = ("for_ever", "_bury")  # what the gate does all the time

Call = tuple[CodeType, CodeType]


@dataclass
class Walk:
    """The calls between files since the walk began; it takes part in each call of the process while it is ``on``."""

    calls: list[Call] = field(default_factory=list)
    on: bool = True
    _met: dict[FrameType, None] = field(default_factory=dict)

    def hook(self, frame: FrameType, event: str, _: object) -> None:
        if self.on and event == "call" and _ours(frame.f_code) and frame not in self._met:
            self._met[frame] = None  # a coroutine that goes on is no new call; kept, so that no other is taken for it
            self.met(frame, [each for each in _above(frame) if _ours(each)])

    def met(self, frame: FrameType, above: list[CodeType]) -> None:
        if any(each.co_name in BESIDE for each in (frame.f_code, *above)) or any(
            each.co_filename in IN_MEMORY for each in above
        ):
            return
        if above and above[0].co_filename != frame.f_code.co_filename:
            self.calls.append((above[0], frame.f_code))

    def tell(self, what: str) -> str:
        files = {code.co_filename for call in self.calls for code in call}
        return f"{what}: {len(files)} files, {2 * len(self.calls)} moves"


@dataclass
class LoopWalk(Walk):
    """From the look that leads to an action of this kind to the call that ends it; what requests do is left out."""

    action: str = "Attach"
    _begun: bool = False

    def met(self, frame: FrameType, above: list[CodeType]) -> None:
        names = [frame.f_code.co_qualname, *(each.co_qualname for each in above)]
        if names[0] == "Observer.look" and not self._begun:
            self.calls.clear()
        if names[0] == "Reconciler._start" and type(frame.f_locals["group"][0]).__name__ == self.action:
            self._begun = True
        if any("/api/" in code.co_filename for code in (frame.f_code, *above)):
            return
        if self._begun and not any(each.startswith(CARRIED_OUT) for each in names):
            return  # the next look
        super().met(frame, above)
        self.on = not (self._begun and names[0] == ENDS[self.action])


def _above(frame: FrameType) -> Iterator[CodeType]:
    while frame.f_back is not None:
        frame = frame.f_back
        yield frame.f_code


def _ours(code: CodeType) -> bool:
    return code.co_filename.startswith(PRODUCT)


async def place(play: Scene) -> None:
    """A task is placed, and gets its volume."""
    await play.make()
    play.want("a")
    await play.until(("a",))


async def mount(walk: Walk) -> None:
    """What the gate does of a Mount; the controller has its grant ready."""
    controller = FakeController()
    controller.grant(grant())
    with tempfile.TemporaryDirectory() as folder:
        async with running(FakeHost(), controller, Path(folder)) as gate:
            walk.on = True
            await gate.mount("data", "a")
            walk.on = False


async def placed(_: Walk) -> None:
    async with scene() as play:
        await place(play)


async def failover(walk: Walk) -> None:
    """Its VM loses its power, and Swarm wants the task elsewhere."""
    async with scene() as play:
        await place(play)
        await asyncio.sleep(20)
        walk.on = True
        play.cluster.crash("a")
        play.cluster.down("a")
        play.want("b")
        await play.until(("b",))


WALKS: dict[str, tuple[Walk, Callable[[Walk], Coroutine[None, None, None]]]] = {
    "a Mount in the gate": (Walk(on=False), mount),
    "look to attach": (LoopWalk(action="Attach"), placed),
    "look to grant": (LoopWalk(action="GrantMount"), placed),
    "look to detach, after a node's death": (LoopWalk(on=False, action="Detach"), failover),
}


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for what, (walk, play) in WALKS.items():
        with asyncio.Runner(loop_factory=partial(looptime.new_event_loop, noop_cycles=0)) as runner:
            sys.setprofile(walk.hook)
            runner.run(play(walk))
            sys.setprofile(None)
        sys.stdout.write(f"{walk.tell(what)}\n")
        for caller, called in walk.calls if "-v" in sys.argv else ():
            there = Path(called.co_filename).relative_to(ROOT)
            sys.stdout.write(f"    {caller.co_qualname} -> {there}: {called.co_qualname}\n")


if __name__ == "__main__":
    main()
