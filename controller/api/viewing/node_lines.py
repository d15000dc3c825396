"""One node in `reberth status`: what it said of itself, and what will hurt some day about it."""

from __future__ import annotations

from collections.abc import Iterable

from controller.doctor.node_advice import advice
from controller.model import Node, World
from controller.protocol.views import NodeLine
from controller.reconciler.state import LoopState

NEW_SECONDS = 3600.0  # for which people are shown that a node named a VM that nobody had named before


def node_line(loop: LoopState, world: World, node: Node) -> NodeLine:
    view = None if node.vm is None else world.gates.get(node.vm)
    hello = loop.hellos.get(node.id)
    gate = "its node service was not heard yet" if hello is None else hello.gate
    heard = None if view is None else view.age
    concerns = tuple(_concerns(loop, node))
    version = loop.gates.versions().get(node.id, "")
    return NodeLine(node.hostname, node.id, node.state.value, node.vm, gate, heard, concerns, node.labelled, version)


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
            "says so: disks of its tasks go there. If it is not, remove the node, and rotate the join token"
        )
