"""
Decisions that stand, checked beside decisions that are made anew: they are the same, and rest on their facts alone.

For each decision that stands the planner is asked once more, on a World that has only the facts that such a decision
may rest on. Whatever else is asked of that World is an error, so a fact that was forgotten is one, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from controller.model import GateView, NodeId, VmId, VolumeName
from controller.planner.context import WorldIndex, facts, index_world
from controller.planner.plan import Decision, RestsOn, decide


class Untold(Mapping[Any, Any]):
    """A part of the World that no decision which stands may rest on."""

    def __getitem__(self, key: object) -> NoReturn:
        raise AssertionError(f"{key} was asked for")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("all were asked for")

    def __len__(self) -> int:
        raise AssertionError("it was asked how many there are")


class Only(dict[Any, Any]):
    """Of a part of the World what is among the facts."""

    def __init__(self, told: Mapping[Any, Any], *keys: object) -> None:
        super().__init__({key: told[key] for key in keys if key in told})
        self._keys = keys

    def get(self, key: object, default: Any = None) -> Any:
        if key not in self._keys:
            raise AssertionError(f"{key} was asked for")
        return super().get(key, default)

    def __getitem__(self, key: object) -> Any:
        return self.get(key)


class Age(float):
    """Of a gate's word: it may only be compared with what is still fresh."""

    def _asked(self, _other: object) -> NoReturn:
        raise AssertionError("the time was asked for")

    __lt__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = _asked


class Beside:
    """A planner that notes where a decision differs from that made anew. ``stood``: of how many volumes it stood."""

    def __init__(self, rests_on: RestsOn = facts) -> None:
        self._rests_on = rests_on
        self.differences: list[str] = []
        self.stood = 0

    def __call__(self, index: WorldIndex, last: Mapping[VolumeName, Decision]) -> tuple[Decision, ...]:
        anew = decide(_joined(index))
        made = decide(index, last, self._rests_on)
        for one, other in zip(made, anew, strict=True):
            if _differ(one, other):
                self.differences.append(f"{one} is not {other}")
            if other.rests_on is not None:
                self.stood += 1
                self._alone(index, other)
        return made

    def _alone(self, index: WorldIndex, wanted: Decision) -> None:
        (found,) = decide(alone(index, wanted.volume))
        if _differ(found, wanted):
            self.differences.append(f"{wanted}, and from its facts alone {found} ({found.fault!r})")


def _joined(index: WorldIndex) -> WorldIndex:
    """A plan uses an index up."""
    return index_world(index.world, index.policy, index.rules)


def _differ(one: Decision, other: Decision) -> bool:
    """More is compared than equality does: also the times of a wait."""
    return (one.volume, one.placement, repr(one.action)) != (other.volume, other.placement, repr(other.action))


def alone(index: WorldIndex, name: VolumeName) -> WorldIndex:
    """The World with what a standing decision about this volume may rest on, and nothing else."""
    world = index.world
    volumes, claims, untold = world.volumes or {}, world.claims or {}, Untold()
    record, claim = volumes[name], claims.get(name)
    disk_on = () if record.disk is None else index.disks.get(record.disk, ())
    vm = disk_on[0].vm if disk_on else None
    word = None if vm is None else world.gates.get(vm)
    parts: Any = {"confirmations": untold, "power": untold, "running": untold, "unclaimed": untold, "kept": untold}
    parts |= {"odd": untold, "refused": untold, "departed": untold, "attachments": untold, "awaited": untold}
    if disk_on:
        parts["unlisted"] = ()
    return WorldIndex(
        world=replace(
            world,
            nodes=Only(world.nodes or {}, None if claim is None else claim.node),
            claims=Only(claims, name),
            volumes=Only(volumes, name),
            gates=Only({} if word is None else {vm: _heard(index, word, name)}, vm),
            **parts,
        ),
        policy=index.policy,
        rules=index.rules,
        node_on=Only(index.node_on, vm),
        shared_vms=_only(index.shared_vms, vm),
        off=_only(index.off, vm),
        disks=Only(index.disks, record.disk),
        load=untold,  # type: ignore[arg-type]
        copies=Only(index.copies, record.disk),
        storm="nobody may ask",
    )


def _heard(index: WorldIndex, view: GateView, name: VolumeName) -> GateView:
    """Whoever it is from."""
    age = Age(index.policy.gate_fresh if index.fresh(view) else 1e9)
    return replace(view, node=NodeId("another"), age=age, volumes=Only(view.volumes, name))


def _only(vms: frozenset[VmId], vm: VmId | None) -> frozenset[VmId]:
    return vms & {vm}
