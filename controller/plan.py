"""
The decision: one action for each volume, as a function of what was read. Pure.

Laws (design.md, "The laws") that this file and its neighbours must obey:

1. One writer: nothing is attached or granted while another VM, or another boot, may write.
2. Evidence before attach, made anew from this cycle's reading. Unknown is never dead.
3. A call in doubt may still happen: the storage's list is the answer.

`plan` sees the level, not the edge: it remembers nothing, so any leader finishes what another began. It has no clock:
ages come in the World.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Action, Attach, Wait
from controller.case import ALL_RULES, Index, Rule, case_of, index_of
from controller.model import Policy, VolumeName, World
from controller.placement import Placement, classify
from controller.steps import STEPS


def plan(world: World, policy: Policy, rules: frozenset[Rule] = ALL_RULES) -> tuple[Action, ...]:
    """
    Exactly one action for each volume that has a record or a claim, in the order of their names.

    ``rules`` is for tests: they leave one out, to show that it is needed.
    """
    names = sorted({*(world.volumes or {}), *(world.claims or {})})
    held = _hold_everything(world, policy)
    if held is not None:
        return tuple(Wait(name, held) for name in names)
    return tuple(_decide(index_of(world, policy, rules), names))


def placement(world: World, policy: Policy, name: VolumeName) -> Placement | None:
    """Where one volume is, in the words of the table; None while nothing can be decided at all."""
    if _hold_everything(world, policy) is not None:
        return None
    return classify(case_of(index_of(world, policy, ALL_RULES), name))


def _decide(index: Index, names: list[VolumeName]) -> Iterator[Action]:
    for name in names:
        case = case_of(index, name)
        action = STEPS[classify(case)](case)
        if isinstance(action, Attach) and case.on(action.vm) is None:
            index.load[action.vm] += 1  # the next volume of this plan finds the slot taken
        yield action


def _hold_everything(world: World, policy: Policy) -> str | None:
    """Why nothing at all can be done now: a person's pause, or a part of the World that could not be read."""
    if world.paused is not None:
        return f'Reberth is paused: "{world.paused}". `reberth resume` ends that.'
    parts = {
        "Swarm's nodes": world.nodes,
        "Swarm's tasks": world.claims,
        "the volume records": world.volumes,
        "the storage's list of attachments": world.attachments,
    }
    missing = [part for part, value in parts.items() if value is None]
    if missing:
        reasons = f" ({'; '.join(world.unread)})" if world.unread else ""
        return f"Waiting, because {' and '.join(missing)} could not be read{reasons}."
    if policy.capabilities.max_disks_per_vm <= 0:
        return "No storage is configured: name a driver under [storage] in the controller's configuration."
    if not policy.capabilities.exclusive_attach:
        name = policy.capabilities.name
        return f"Storage driver {name} allows a disk on two VMs at once: one writer cannot be kept. Use another."
    return None


__all__ = ["ALL_RULES", "Rule", "placement", "plan"]
