"""
The decision: one action for each volume, as a function of what was read. Pure.

The laws (ARCHITECTURE.md#the-laws) that this file and its neighbours must obey: one writer (1), evidence before
attach, made anew from this cycle's reading (2), a call in doubt may still happen (3).

`plan` sees the level, not the edge: it remembers nothing, so any leader finishes what another began. It has no clock:
ages come in the World.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from controller.model import Attachment, GateVolume, MountState, NodeState, Policy, VmId, VolumeKey, VolumeName, World
from controller.planner.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    Detach,
    DropGrants,
    GrantMount,
    Refuse,
    Revoke,
    Wait,
)
from controller.planner.context import Facts, VolumeContext, WorldIndex, facts, index_world, volume_context
from controller.planner.placement import Placement, classify
from controller.planner.rules import RULES, Rules
from controller.planner.table import TABLE
from controller.volumes.naming import volume_key

INTERNAL = (
    "Nothing is done for this volume; the others go on. Report it with the controller's log, which has the details."
)
STORAGE = "the storage's list of attachments"
UNREADABLE = "Nothing is done for this volume; the others go on."
_RECORD_ONLY = GrantMount | Revoke | Wait | Refuse | Alarm
LONGEST = 400  # characters of a sentence that may have been made by anything


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What is done about one volume, and where it was seen. Two are equal when nothing changed that a person would want
    to read again.

    ``placement`` is None while nothing is decided for any volume, ``index`` while parts of the World are unread;
    ``supposed``: what it was decided on, where that is more than was read. While all of ``rests_on`` is equal, it would
    be decided in the same way.
    ``fault`` is what went wrong while this one was decided: a bug of ours, which holds no other volume.
    """

    volume: VolumeName
    placement: Placement | None
    action: Action
    index: WorldIndex | None = field(default=None, compare=False, repr=False)
    fault: Exception | None = field(default=None, compare=False)
    supposed: VolumeContext | None = field(default=None, compare=False, repr=False)
    rests_on: Facts | None = field(default=None, compare=False, repr=False)

    @property
    def context(self) -> VolumeContext | None:
        """What people are told from: joined when one asks, as of thousands of volumes hardly any is asked for."""
        if self.supposed is not None or self.index is None:
            return self.supposed
        return volume_context(self.index, self.volume)


RestsOn = Callable[[WorldIndex, VolumeName], Facts | None]
NONE: Mapping[VolumeName, Decision] = {}


def plan(world: World, policy: Policy, rules: Rules = RULES) -> tuple[Decision, ...]:
    """
    Exactly one decision for each volume that has a record or a claim, in the order of their names.

    ``rules`` is for tests: they replace one, to show that it is needed.
    """
    return decide(index_world(world, policy, rules))


def decide(
    index: WorldIndex, last: Mapping[VolumeName, Decision] = NONE, rests_on: RestsOn = facts
) -> tuple[Decision, ...]:
    """
    As `plan`, for who has joined the World already. The index is used up: slots that are given away count in it.

    ``last``: decisions of an earlier look, of whatever World. What comes out is the same with them, only sooner.
    ``rests_on`` is for tests: they leave out a fact, to show that it is needed.
    """
    world, policy = index.world, index.policy
    names = sorted({*(world.volumes or {}), *(world.claims or {}), *_nameless(world)})
    held = _hold_everything(world, policy)
    if held is None or _only_storage_is_away(world, policy):
        return tuple(_decide(index, names, held, _Again(index, last, rests_on)))
    if _missing(world):
        return tuple(Decision(name, None, Wait(name, held)) for name in names)
    return tuple(Decision(name, None, Wait(name, held), index) for name in names)


def _only_storage_is_away(world: World, policy: Policy) -> bool:
    usable = policy.capabilities.max_disks_per_vm > 0 and policy.capabilities.exclusive_attach
    return usable and world.paused is None and _missing(world) == [STORAGE]


def _decide(index: WorldIndex, names: list[VolumeName], held: str | None, again: _Again) -> Iterator[Decision]:
    """``held``: why nothing can be done for a volume unless its disk has surely stayed where it was."""
    for name in names:
        why = _unreadable(index.world, name)
        if why is not None:
            yield Decision(name, None, Alarm(name, f"Volume {name}: {why}", UNREADABLE))
            continue
        try:
            yield again.decide(name) if held is None else _decide_one(index, name, held)
        except Exception as error:  # noqa: BLE001 -- one volume's bug must not hold the others
            why = f"Volume {name}: internal error while it was decided ({type(error).__name__}: {error})"[:LONGEST]
            yield Decision(name, None, Alarm(name, why, INTERNAL), fault=error)


@dataclass(frozen=True, slots=True)
class _Again:
    """Decides one volume after the other; what rests on the same facts as in an earlier look is not worked out anew."""

    index: WorldIndex
    last: Mapping[VolumeName, Decision]
    rests_on: RestsOn

    def decide(self, name: VolumeName) -> Decision:
        known = self.last.get(name)
        now = self.rests_on(self.index, name) if self.index.rules is RULES else None
        if known is not None and now is not None and known.rests_on == now:
            return Decision(name, known.placement, known.action, self.index, rests_on=now)
        made = _decide_one(self.index, name, None)
        return replace(made, rests_on=now) if _lasts(self.index, name, made.placement, made.action) else made


def _decide_one(index: WorldIndex, name: VolumeName, held: str | None) -> Decision:
    ctx = volume_context(index, name)
    if held is not None or ctx.unlisted:
        unseen = _where_it_stayed(ctx)
        if unseen is not None:
            return unseen
    if held is not None:
        return Decision(name, None, Wait(name, held))
    place = classify(ctx)
    action = TABLE[place].step(ctx)
    if isinstance(action, DropGrants):
        action = _with_the_disk(ctx, action)
    if isinstance(action, Attach) and ctx.attachment(action.vm) is None:
        index.load[action.vm] += 1  # the next volume of this plan finds the slot taken
    return Decision(name, place, action, index)


def _with_the_disk(ctx: VolumeContext, drop: DropGrants) -> DropGrants | Detach:
    """
    Where the disk may be taken from the same VM once its grants are gone, both are one step: one write and one look
    less between the evidence and the call. Not where the detach is the fence, nor while others hold grants.
    """
    after = replace(ctx, foreign=tuple(each for each in ctx.foreign if each not in drop.grants))
    then = TABLE[classify(after)].step(after)
    if not isinstance(then, Detach) or then.evidence is None or then.vm != drop.evidence.vm:
        return drop
    why = f"{then.why.removesuffix('.')}: {drop.evidence.text.removeprefix(f'volume {ctx.name}: ')}."
    return replace(then, evidence=drop.evidence, drops=drop.grants, why=why)


def _lasts(index: WorldIndex, name: VolumeName, placement: Placement | None, action: Action) -> bool:
    """
    Whether no more comes into it, and no clock. A task that runs beside a gate without the mount becomes astray in
    time; a disk for nobody is left out of it unless its node is ready, and its gate is heard and has not mounted it.
    """
    if not isinstance(action, Converged):
        return False
    ctx = volume_context(index, name)
    said = ctx.gate_word(ctx.disk_vm)
    if placement is Placement.SETTLED:
        return said is not None and said.state is not MountState.UNMOUNTED
    return placement is Placement.IDLE and (ctx.disk_vm is None or _lies_there(index, ctx.disk_vm, said))


def _lies_there(index: WorldIndex, vm: VmId, said: GateVolume | None) -> bool:
    node = index.node_on.get(vm)
    heard = node is not None and node.state is NodeState.READY and index.fresh(index.world.gates.get(vm))
    return heard and (said is None or said.state is not MountState.MOUNTED)


def _where_it_stayed(ctx: VolumeContext) -> Decision | None:
    """
    While the storage cannot say where a disk is: the step at the place where it has surely stayed.

    A container that is started again where it was needs no storage. Only the record is written; None where that is not
    known, or where the storage would have to act.
    """
    record, target = ctx.record, ctx.target
    if record is None or record.disk is None or target is None or target.vm is None or not ctx.rules.stayed(ctx):
        return None
    there = Attachment(record.disk, target.vm, epoch=ctx.index.world.epoch)
    seen = replace(ctx, disk_on=(there,), disk_vm=target.vm)
    place = classify(seen)
    action = TABLE[place].step(seen)
    if not isinstance(action, _RECORD_ONLY):
        return None
    return Decision(ctx.name, place, action, ctx.index, supposed=seen)


def _unreadable(world: World, name: VolumeName) -> str | None:
    return (
        (world.unreadable.get(volume_key(name)) or world.unreadable.get(VolumeKey(name))) if world.unreadable else None
    )


def _nameless(world: World) -> set[VolumeName]:
    """Of a record that cannot be read only the key is known, unless somebody claims it by its name."""
    if not world.unreadable:
        return set()
    return {VolumeName(each) for each in {*world.unreadable} - {volume_key(name) for name in world.claims or {}}}


def _hold_everything(world: World, policy: Policy) -> str | None:
    """Why nothing at all can be done now: a person's pause, or a part of the World that could not be read."""
    if world.paused is not None:
        return f'Reberth is paused: "{world.paused}". `reberth resume` ends that.'
    missing = _missing(world)
    if missing:
        reasons = f" ({'; '.join(world.unread)})" if world.unread else ""
        return f"Waiting, because {' and '.join(missing)} could not be read{reasons}."
    if policy.capabilities.max_disks_per_vm <= 0:
        return "No storage is configured: name a driver under [storage] in the controller's configuration."
    if not policy.capabilities.exclusive_attach:
        name = policy.capabilities.name
        return f"Storage driver {name} allows a disk on two VMs at once: one writer cannot be kept. Use another."
    return None


def _missing(world: World) -> list[str]:
    parts = {
        "Swarm's nodes": world.nodes,
        "Swarm's tasks": world.claims,
        "the volume records": world.volumes,
        STORAGE: world.attachments,
    }
    return [part for part, value in parts.items() if value is None]
