"""
Makes and deletes snapshots, and restores volumes, as their records say: what is to be done is looked up in each look.

Beside the loop: the volume is not busy by it, and no failover waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import structlog

from controller.model import Epoch, VolumeName
from controller.reconciler.snapshots.acts import SnapshotActs
from controller.reconciler.snapshots.steps import Await, Drop, GiveUp, Make, Restore, Step, next_steps, restore_of
from controller.reconciler.state import LoopState
from controller.reconciler.storage_actions import Deadlines
from controller.records.base import Acting, Records, RecordsUnavailable
from controller.settings import LoopSettings
from drivers.base import StorageDriver

LOOK_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds before the same step is tried again
COPIES = 4  # at once, of all volumes

_log = structlog.get_logger(__name__)

_Key = tuple[VolumeName, str]


@dataclass(frozen=True, slots=True)
class _Failed:
    times: int
    until: float


class SnapshotWorks:
    def __init__(self, acts: SnapshotActs, driver: StorageDriver, state: LoopState, acting: Acting) -> None:
        self._acts = acts
        self._driver = driver
        self._state = state
        self._acting = acting
        self._under_way: dict[_Key, Step] = {}
        self._failed: dict[_Key, _Failed] = {}
        self._copies = asyncio.Semaphore(COPIES)

    async def run(self) -> None:
        """For ever, while we act."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    self.look(group)
                except Exception:  # noqa: BLE001 -- no failover depends on it: it is told, and looked at again
                    _log.exception("internal.error", why="a look at the snapshots failed", epoch=self._acting.epoch)
                await asyncio.sleep(LOOK_SECONDS)

    def look(self, group: asyncio.TaskGroup) -> None:
        world = self._state.world
        if self._acting.epoch is None or world is None or world.epoch != self._acting.epoch:
            return
        found = next_steps(world, self._state.wall(), in_use=self._driver.capabilities.snapshots)
        steps = {_key(each): each for each in found}
        self._forget_all_but(steps.keys())
        for key, step in steps.items():
            if isinstance(step, Await):
                self._state.snapshots[key] = step.why
            elif self._is_due(key, step):
                self._under_way[key] = step
                group.create_task(self._do(key, step, world.epoch))

    def _forget_all_but(self, keys: AbstractSet[_Key]) -> None:
        self._failed = {key: each for key, each in self._failed.items() if key in keys}
        self._state.snapshots = {key: why for key, why in self._state.snapshots.items() if key in keys}

    def _is_due(self, key: _Key, step: Step) -> bool:
        """Also a copy that nobody wants any more comes to its end first: then nothing of it comes later."""
        if any(_concern_the_same(each, step) for each in self._under_way.values()):
            return False
        failed = self._failed.get(key)
        return failed is None or failed.until <= self._state.clock() or isinstance(step, GiveUp)

    async def _do(self, key: _Key, step: Step, epoch: Epoch) -> None:
        try:
            why = await self._tried(step, epoch)
        finally:
            self._under_way.pop(key, None)
        if why is None:
            self._failed.pop(key, None)
            self._state.snapshots.pop(key, None)
            return
        times = self._failed[key].times + 1 if key in self._failed else 1
        pause = min(FIRST_PAUSE * 2 ** min(times - 1, 8), LONGEST_PAUSE)
        self._failed[key] = _Failed(times, self._state.clock() + pause)
        self._state.snapshots[key] = why
        _log.warning("snapshot.failed", volume=step.volume, snapshot=key[1], why=why, retry_in=pause)

    async def _tried(self, step: Step, epoch: Epoch) -> str | None:
        try:
            if not isinstance(step, Make | Restore):
                return await self._acts.carry_out(step, epoch)
            async with self._copies:
                return await self._acts.carry_out(step, epoch)
        except RecordsUnavailable as error:
            return f"the records: {error}"
        except Exception as error:  # noqa: BLE001 -- one snapshot's bug holds no other, and no volume
            _log.exception("internal.error", why="a snapshot met a bug", volume=step.volume, epoch=epoch)
            return f"internal error ({type(error).__name__}: {error})"


def snapshot_works(
    loop: LoopSettings, driver: StorageDriver | None, state: LoopState, records: Records, acting: Acting
) -> tuple[SnapshotWorks, ...]:
    """None without storage."""
    if driver is None:
        return ()
    deadlines = Deadlines(loop.call_deadline, loop.clone_deadline)
    return (SnapshotWorks(SnapshotActs(driver, state, records, acting, deadlines), driver, state, acting),)


def _concern_the_same(one: Step, other: Step) -> bool:
    """The same snapshot; or a restore, and what is left of one of the same volume."""
    if _key(one) == _key(other):
        return True
    restores = isinstance(one, Restore) and isinstance(other, Drop) and other.snapshot.own
    return restores and one.volume == other.volume


def _key(step: Step) -> _Key:
    """One step at a time for each snapshot, and one restore for each volume."""
    match step:
        case Make() | Drop() | GiveUp():
            return step.volume, step.snapshot.name
        case Await(name=name):
            return step.volume, name
        case Restore():
            return step.volume, restore_of(step.snapshot.name)
        case _:
            return step.volume, ""
