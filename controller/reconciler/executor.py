"""
One decision -> records and storage: some actions only write a record, the others ask the storage.

Nothing is retried here: the loop looks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.model import Operation, VolumeName, VolumeRecord, World
from controller.planner.actions import Action
from controller.reconciler.history import settled
from controller.reconciler.record_changes import RecordAction, change_of
from controller.reconciler.record_writer import RecordWriter, Result, Setback, result
from controller.reconciler.storage_actions import Deadlines, StorageActions
from controller.records.base import Acting, RecordsUnavailable
from controller.settings import LoopSettings
from drivers.loading import Drivers


class Executor:
    def __init__(self, writer: RecordWriter, storage: StorageActions) -> None:
        self._writer = writer
        self._storage = storage

    async def run(self, world: World, actions: Sequence[Action]) -> Mapping[VolumeName, Result]:
        """
        Do actions that go together: one action, or several of one kind about the same VM (attach, detach, fence).

        Raises nothing but bugs.
        """
        try:
            return await self._run(world, actions)
        except* RecordsUnavailable as errors:
            why = "; ".join(sorted({str(error) for error in _leaves(errors)}))
        return {each.volume: Setback(f"the records: {why}") for each in actions}

    async def _run(self, world: World, actions: Sequence[Action]) -> Mapping[VolumeName, Result]:
        first = actions[0]
        if isinstance(first, RecordAction):
            written = await self._writer.write(world, change_of(world, first, self._writer.wall()))
            return {first.volume: result(written)}
        return await self._storage.run(world, [each for each in actions if not isinstance(each, RecordAction)])


def executor_of(loop: LoopSettings, writer: RecordWriter, drivers: Drivers, acting: Acting) -> Executor:
    deadlines = Deadlines(loop.call_deadline, loop.clone_deadline)
    return Executor(writer, StorageActions(writer, drivers.storage, drivers.power, acting, deadlines))


def needs_tidying(record: VolumeRecord, world: World) -> bool:
    """A settled intent that no write replaces soon. A detach may be what the evidence about a grant rests on."""
    detaching = record.intent is not None and record.intent.operation is Operation.DETACH
    return settled(record, world) and not (detaching and record.grants)


def _leaves(errors: BaseExceptionGroup[RecordsUnavailable]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
