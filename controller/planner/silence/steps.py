"""Steps for a volume on a node that is not heard: wait; if that was chosen, power its VM off after the grace. Pure."""

from __future__ import annotations

from controller.model import Node, Power, VmId
from controller.planner.actions import Action, Fence, Wait
from controller.planner.context import VolumeContext
from controller.planner.evidence import holding_node, vm_label
from controller.planner.silence import silence

AGAIN = 2.0  # seconds after which a look at something that changes by itself makes sense


def within_grace(ctx: VolumeContext) -> Action:
    node, vm = _silent(ctx)
    left = max(0.0, ctx.index.policy.grace - silence.missed_for(ctx, node))
    why = f"{_says(ctx, node, vm)}. If neither is heard, the fence policy 'power-off' acts."
    cure = f"Nothing: it goes on by itself. Sooner, if node {node.hostname} is heard again or you power its VM off."
    return Wait(ctx.name, why, left, counting=True, cure=cure)


def fence(ctx: VolumeContext) -> Action:
    node, vm = _silent(ctx)
    why, kept = _says(ctx, node, vm), _kept(ctx, node, vm)
    if kept is not None:
        cure = f"See node {node.hostname} in the hypervisor: if it hangs, power its VM off. The volume then moves."
        return Wait(ctx.name, f"{why}; {kept}.", AGAIN, cure=cure)
    return Fence(ctx.name, vm, node.id, f"{why}, for longer than the grace; its VM runs and is powered off.")


def _kept(ctx: VolumeContext, node: Node, vm: VmId) -> str | None:
    """Why it is not powered off although the grace is over."""
    if ctx.index.storm is not None:
        return ctx.index.storm
    if not silence.keeps_quorum(ctx, node):
        return "without it too few managers would be left, so it is not powered off"
    seen = ctx.index.power(vm)
    return None if seen is Power.ON else f"its VM is seen {seen.value!r}, so it is not known what a fence would meet"


def _says(ctx: VolumeContext, node: Node, vm: VmId) -> str:
    return (
        f"Volume {ctx.name} is on {vm_label(ctx, vm)}, which Swarm calls {node.state.value}, but neither its gate nor "
        "its node service answers"
    )


def _silent(ctx: VolumeContext) -> tuple[Node, VmId]:
    held = ctx.rules.holder(ctx)
    node = ctx.target if held is None else holding_node(ctx, held[0])
    if node is None or node.vm is None:
        msg = f"volume {ctx.name} is on no silent node"
        raise LookupError(msg)
    return node, node.vm


def target_silent(ctx: VolumeContext) -> Action:
    """A person is asked to do something only when the gate has had the time in which all gates speak."""
    node, fresh = ctx.target, ctx.index.policy.gate_fresh
    known = None if node is None or node.vm is None else ctx.index.world.awaited.get(node.vm)
    ready = f"Volume {ctx.name} is ready for node {ctx.target_name}, but the gate there was not heard"
    if known is not None and known < fresh:
        why = f"{ready} yet: this controller listens to it, or its machine runs, for {known:.0f} s."
        return Wait(ctx.name, why, AGAIN, cure="Nothing: a gate speaks within some seconds of its start.")
    why = (
        f"{ready} within {fresh:.0f} s under the node's present boot. On that node see `docker plugin ls`: reberth "
        "must be enabled."
    )
    return Wait(ctx.name, why)
