"""For how long each gate could have been heard: one that began a moment ago is not silent. Pure but for its memory."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model import BootId, Node, NodeId, VmId

LONG = 600.0  # seconds; what is longer ago need not be told


class Awaited:
    """Remembers when each VM was first seen in its present boot."""

    def __init__(self) -> None:
        self._nodes: Mapping[NodeId, Node] | None = None
        self._since: dict[VmId, tuple[BootId | None, float]] = {}

    def of(self, nodes: Mapping[NodeId, Node] | None, listening: float, now: float) -> Mapping[VmId, float]:
        """``listening``: since when gates are heard. Seconds by VM, where they are not many."""
        if nodes is not None and nodes is not self._nodes:
            self._nodes = nodes
            self._since = {
                node.vm: (node.boot, self._seen(node.vm, node.boot, now))
                for node in nodes.values()
                if node.vm is not None
            }
        ages = {vm: now - max(since, listening) for vm, (_, since) in self._since.items()}
        return {vm: age for vm, age in ages.items() if age < LONG}

    def _seen(self, vm: VmId, boot: BootId | None, now: float) -> float:
        before = self._since.get(vm)
        return before[1] if before is not None and before[0] == boot else now
