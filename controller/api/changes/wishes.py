"""
Sizes in stack files that their volumes do not have: a larger one is taken, and what cannot be had is told.

Swarm stops the old task before anybody sees the new one's mounts, so a refusal would only keep the service down. The
volume goes on as it is. Swarm announces the new task before it stops the old one: mostly the disk has grown when it is
mounted, and an ext4 grows with it then.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.api.changes.growth import GrowthRequests
from controller.model import Claim, VolumeName, World
from controller.protocol.answers import Rejection
from controller.protocol.operator import Grow
from controller.reconciler.state import LoopState
from controller.records.base import Acting

LOOK_SECONDS = 5.0
AGAIN_SECONDS = 60.0


class SizeWishes:
    def __init__(self, state: LoopState, growth: GrowthRequests, acting: Acting) -> None:
        self._state = state
        self._growth = growth
        self._acting = acting
        self._tried: dict[VolumeName, tuple[int, float]] = {}  # size, and when to try again
        self._seen: tuple[object, Mapping[VolumeName, Claim]] = (
            None,
            {},
        )  # while nothing changes, they are the very same

    async def run(self) -> None:
        """For ever, while we act."""
        while True:
            world = self._state.world
            if self._acting.epoch is not None and world is not None:
                await self.look(world)
            await self._state.changed.wait(LOOK_SECONDS)

    async def look(self, world: World) -> None:
        wished = self._wished(world)
        self._tried = {name: each for name, each in self._tried.items() if name in wished}
        self._state.wishes = {name: each for name, each in self._state.wishes.items() if name in wished}
        for name, claim in wished.items():
            if not _paused(world, name) and self._is_due(name, claim):
                await self._grant(name, claim)

    def _wished(self, world: World) -> Mapping[VolumeName, Claim]:
        if self._seen[0] is not world.claims:
            self._seen = world.claims, {name: each for name, each in (world.claims or {}).items() if each.wished}
        return self._seen[1]

    def _is_due(self, name: VolumeName, claim: Claim) -> bool:
        size, again = self._tried.get(name, (0, 0.0))
        return size != claim.wished or self._state.clock() >= again

    async def _grant(self, name: VolumeName, claim: Claim) -> None:
        service = claim.tasks[0].service if claim.tasks else "that uses it"
        told = await self._growth.grow(Grow(name, str(claim.wished), f"the stack file of service {service}"))
        self._tried[name] = claim.wished, self._state.clock() + AGAIN_SECONDS
        if isinstance(told, Rejection):
            self._state.wishes[name] = (
                f"service {service} asks for size {claim.wished} of volume {name}, which goes on with the size that it "
                f"has: {told.why}"
            )
        else:
            self._state.wishes.pop(name, None)


def _paused(world: World, name: VolumeName) -> bool:
    return world.paused is not None or any(each.volume == name for each in world.paused_parts)
