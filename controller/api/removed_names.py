"""The name of a volume that was removed, while its record is still there and a task mounts it."""

from __future__ import annotations

from controller.api.volume_rights import wanted_by
from controller.model import NodeId, VolumeName
from controller.reconciler.state import LoopState

GET_SECONDS = 3.0  # a gate gives up on an answer after 5 s


async def still_ours(state: LoopState, node: NodeId, name: VolumeName) -> bool:
    """
    Whether a task on this node mounts this volume, which is being removed, or is kept for a while.

    By its name alone (an external volume) a no would start its container on an empty local volume. After a yes the
    Mount is refused, with what happened to the volume. A task that was placed a moment ago is in the next look.
    """
    if state.world is not None and wanted_by(state.world, node, name):
        return True
    state.wakeup(f"node {node} asks for volume {name}, which was removed")
    look = await state.fresh_look(GET_SECONDS)
    return look is not None and bool(wanted_by(look.world, node, name))
