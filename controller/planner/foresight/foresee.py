"""
What the planner would do from a World on, if every operation succeeded: for people, before anything happens. Pure.

It is `plan` itself, asked again after each of its actions has been noted in the World as the storage, the records and
the gates would show it. Nothing is done, and what is foreseen proves nothing: the controller decides anew, by what it
reads then.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from controller.model import (
    Attachment,
    Claim,
    Epoch,
    GateVolume,
    Grant,
    MountState,
    Policy,
    Power,
    Serial,
    VmId,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import (
    Action,
    Attach,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    NewEpoch,
    Revoke,
    Wait,
)
from controller.planner.plan import Decision, plan

MOST_ROUNDS = 60  # many more than any way from one node to another has


@dataclass(frozen=True, slots=True)
class Step:
    """``at``: seconds of waiting that came before; operations themselves are taken to need no time."""

    at: float
    decision: Decision
    world: World


def foresee(world: World, policy: Policy, volumes: AbstractSet[VolumeName]) -> tuple[Step, ...]:
    """The decisions about these volumes, in order, each once; the last one about a volume is where it ends."""
    steps: list[Step] = []
    known: dict[VolumeName, Decision] = {}
    at = 0.0
    for _ in range(MOST_ROUNDS):
        made = [each for each in plan(world, policy) if each.volume in volumes]
        news = [each for each in made if known.get(each.volume) != each]
        steps.extend(Step(at, each, world) for each in news)
        known.update({each.volume: each for each in news})
        later, waited = _later(world, made)
        if later == world:
            break
        world, at = later, at + waited
    return tuple(steps)


def _later(world: World, made: list[Decision]) -> tuple[World, float]:
    """After all actions; where none is left, after the shortest wait that ends by itself. The same at the end."""
    acted = [each.action for each in made if not each.action.quiet]
    for action in acted:
        world = applied(world, action)
    if acted:
        return world, 0.0
    waits = [each.action.until for each in made if isinstance(each.action, Wait) and each.action.counting]
    wait = min((each for each in waits if each), default=0.0)
    return older(world, wait), wait


def applied(world: World, action: Action) -> World:
    """The World that is read once an action is done. The end of some, as the making of a disk, is not foreseen."""
    match action:
        case Revoke():
            return _revoked(world, action)
        case DropGrants():
            return _dropped(world, action.volume, action.grants)
        case Fence():
            return replace(world, power={**(world.power or {}), action.vm: Power.OFF})
        case Detach():
            return _attached(_dropped(world, action.volume, action.drops), action)
        case Attach():
            return _attached(world, action, Attachment(action.disk, action.vm, epoch=world.epoch))
        case GrantMount():
            return _mounted(world, action)
        case NewEpoch():
            return replace(world, epoch=Epoch(world.epoch + 1))
        case _:
            return world


def _dropped(world: World, volume: VolumeName, grants: tuple[Grant, ...]) -> World:
    record = _record(world, volume)
    return _with(world, replace(record, grants=tuple(each for each in record.grants if each not in grants)))


def _attached(world: World, action: Attach | Detach, *now: Attachment) -> World:
    others = (each for each in world.attachments or () if (each.disk, each.vm) != (action.disk, action.vm))
    return replace(world, attachments=(*others, *now))


def _revoked(world: World, action: Revoke) -> World:
    """A gate that is heard lets go, once the old container has ended: Swarm ends it."""
    record = _record(world, action.volume)
    serial = Serial(record.serial + 1)
    for vm in {grant.vm for grant in record.grants} & set(world.gates):
        word = GateVolume(record.name, MountState.UNMOUNTED, serial, floor=serial)
        world = _heard(world, vm, word)
    return _with(world, replace(record, serial=serial))


def _mounted(world: World, action: GrantMount) -> World:
    record = _record(world, action.volume)
    grant = Grant(action.task, action.node, action.vm, action.boot, world.epoch, action.serial)
    kept = tuple(each for each in record.grants if each not in action.supersedes)
    world = _with(world, replace(record, grants=(*kept, grant), serial=action.serial))
    claim = (world.claims or {})[action.volume]
    mounts = next(each.mounts for each in claim.tasks if each.id == action.task)
    used = GateVolume(record.name, MountState.MOUNTED, action.serial, users=(action.serial,) * mounts)
    return _started(_heard(world, action.vm, used), claim, action)


def _started(world: World, claim: Claim, action: GrantMount) -> World:
    tasks = tuple(replace(each, started=each.started or each.id == action.task) for each in claim.tasks)
    return replace(world, claims={**(world.claims or {}), claim.volume: replace(claim, tasks=tasks)})


def _heard(world: World, vm: VmId, word: GateVolume) -> World:
    view = world.gates[vm]
    said = {**view.volumes, word.volume: word}
    return replace(world, gates={**world.gates, vm: replace(view, volumes=said)})


def _record(world: World, volume: VolumeName) -> VolumeRecord:
    return (world.volumes or {})[volume]


def _with(world: World, record: VolumeRecord) -> World:
    return replace(world, volumes={**(world.volumes or {}), record.name: record})


def older(world: World, seconds: float) -> World:
    """So many seconds later, in which nothing happened."""
    nodes = {
        name: node if node.down_for is None else replace(node, down_for=node.down_for + seconds)
        for name, node in (world.nodes or {}).items()
    }
    return replace(world, nodes=nodes, unclaimed={vm: age + seconds for vm, age in world.unclaimed.items()})
