"""
What is not as it should be about the VMs under the nodes, told before it hurts: in `reberth status` and in the log.

Only where the driver can tell. Nothing is decided by it, so a look now and then is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from controller.model import VmId, World
from controller.reconciler.inspecting.inspection import again_and_again, answer
from controller.reconciler.state import LoopState
from controller.records.base import Acting
from drivers.base import Inspector

EACH = 60.0  # seconds from one inspection to the next

_log = structlog.get_logger(__name__)


class VmChecks:
    def __init__(self, inspector: Inspector, state: LoopState, acting: Acting, deadline: float) -> None:
        self._inspector = inspector
        self._state = state
        self._acting = acting
        self._deadline = deadline
        self._said: Mapping[VmId, Sequence[str]] = {}

    async def run(self) -> None:
        """For ever, while we act."""
        await again_and_again(self._state, self._acting, EACH, self.inspect)

    async def inspect(self, world: World) -> None:
        """What cannot be read now is not news: the loop says so where it matters."""
        names = {node.vm: node.hostname for node in (world.nodes or {}).values() if node.vm is not None}
        found = await answer("the VMs", lambda: self._inspector.concerns(names), self._deadline) if names else {}
        if found is None:
            return
        for vm, sentences in found.items():
            for sentence in sentences:
                if sentence not in self._said.get(vm, ()):
                    _log.warning("vm.concern", node=names[vm], vm=vm, why=sentence)
        self._said = self._state.concerns = found
