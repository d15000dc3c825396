"""What will go wrong with a volume, or goes not as somebody wished, told beside its state with the cure."""

from __future__ import annotations

from collections.abc import Iterator

from controller.model import VolumeName, World
from controller.reconciler.gate_reports import Usage
from controller.reconciler.state import LoopState

UNITS = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("bytes", 1))


def warnings(loop: LoopState, world: World, name: VolumeName, usage: Usage | None) -> tuple[str, ...]:
    wishes = (loop.wishes.get(name), loop.overdue.get(name))
    cure = f"make it larger (`reberth grow {name} SIZE`, or a larger size in the stack file), or remove files in it"
    full = () if usage is None or not is_full(usage, loop.full) else (f"{fullness(name, usage)}: {cure}",)
    return (*full, *(each for each in wishes if each is not None), *_local_volumes(loop, world, name))


def is_full(usage: Usage, full: float) -> bool:
    return usage.fraction >= full or usage.available == 0


def fullness(name: VolumeName, usage: Usage) -> str:
    return f"volume {name} is {usage.fraction:.0%} full, {_amount(usage.available)} are left"


def _amount(count: int) -> str:
    unit, size = next(each for each in UNITS if count >= each[1] or each[1] == 1)
    return f"{count / size:.3g} {unit}"


def _local_volumes(loop: LoopState, world: World, name: VolumeName) -> Iterator[str]:
    """What node services last said of volumes of Docker's own driver that bear the name: Docker takes those first."""
    nodes = world.nodes or {}
    found = sorted(
        nodes[node].hostname
        for node, hello in loop.hellos.items()
        if node in nodes and hello.engine is not None and name in hello.engine.local_volumes
    )
    for host in found:
        yield (
            f"node {host} has a local volume {name}: a container that names no driver starts on it there, and one "
            f"that names driver reberth does not start; copy away what is worth keeping, then `docker volume rm "
            f"{name}` there"
        )
