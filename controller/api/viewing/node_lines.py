"""One node in `reberth status`: what it said of itself, and what will hurt some day about it."""

from __future__ import annotations

from collections.abc import Iterable

from controller.doctor.node_advice import advice
from controller.model import GateView, Node, NodeState, World
from controller.protocol.views import NodeLine
from controller.reconciler.state import LoopState

STUCK_SECONDS = 30.0  # for which a node that comes back may be down although its gate speaks
SPOKE_SECONDS = 25.0  # within which a gate has spoken again: its polls end after 20
NEW_SECONDS = 3600.0  # for which people are shown that a node named a VM that nobody had named before


def node_line(loop: LoopState, world: World, node: Node) -> NodeLine:
    view = None if node.vm is None else world.gates.get(node.vm)
    hello = loop.hellos.get(node.id)
    gate = "its node service was not heard yet" if hello is None else hello.gate
    heard = None if view is None else view.age
    concerns = (*_stuck(node, view), *_concerns(loop, node))
    version = loop.gates.versions().get(node.id, "")
    return NodeLine(node.hostname, node.id, node.state.value, node.vm, gate, heard, concerns, node.labelled, version)


def _stuck(node: Node, view: GateView | None) -> Iterable[str]:
    """Swarm's agent in an engine may hang for ever (moby issues 32441 and 34827): only a restart by a person helps."""
    down = node.state is NodeState.DOWN and node.down_for is not None and node.down_for >= STUCK_SECONDS
    if down and view is not None and (view.node, view.boot) == (node.id, node.boot) and view.age < SPOKE_SECONDS:
        yield (
            f"Swarm calls it down for {node.down_for:.0f} s, but its gate spoke {view.age:.0f} s ago: restart Docker "
            "there if that stays so, or look what cuts it off from port 2377 of Swarm's managers"
        )


def _concerns(loop: LoopState, node: Node) -> Iterable[str]:
    hello = loop.hellos.get(node.id)
    if hello is not None and (told := advice(node, hello.tcp_retries2)):
        yield told
    if node.silent_for is not None:
        yield f"neither its gate nor its node service answers, for {node.silent_for:.0f} s"
    yield from _newcomer(loop, node)
    if node.vm is not None:
        yield from loop.concerns.get(node.vm, ())


def _newcomer(loop: LoopState, node: Node) -> Iterable[str]:
    since, vm = loop.newcomers.get(node.id, (0.0, None))
    age = loop.clock() - since
    if vm is not None and vm == node.vm and not node.manager and age < NEW_SECONDS:
        yield (
            f"it said {age / 60:.0f} min ago, for the first time, that it is VM {vm}, and nothing but its own word "
            "says so: disks of its tasks go there, and the policy power-off may switch it off. If it is not, remove "
            "the node, and rotate the join token; `vms` in the driver's settings bounds which VMs are touched at all"
        )
