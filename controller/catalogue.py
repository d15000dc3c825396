"""The volumes that people make and remove: ``docker volume create|rm``, and what the stack files ask for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace

from controller.answers import No, Status, try_later
from controller.board import Board, Poke
from controller.model import Claim, Phase, Serial, Spec, VolumeName, VolumeRecord
from controller.names import BadName, volume_key, volume_name
from controller.options import BadOptions, copied_from, difference, parse_copy, parse_options
from controller.records import Records, RecordsUnavailable, Stale
from controller.wire import CreateVolume, Empty, GetVolume, RemoveVolume, Volume, Volumes

LOOK_SECONDS = 6.0  # a gate gives up on an answer after 10 s
ATTEMPTS = 3


class Catalogue:
    """``no_storage``: why there is no storage driver, or None. ``clones``: whether it can copy a disk."""

    def __init__(
        self,
        board: Board,
        records: Records,
        poke: Poke,
        no_storage: str | None = None,
        *,
        clones: bool = False,
    ) -> None:
        self._board = board
        self._records = records
        self._poke = poke
        self._no_storage = no_storage
        self._clones = clones

    async def create(self, asked: CreateVolume) -> Volume | No:
        name = volume_name(asked.name)
        if isinstance(name, BadName):
            return No(Status.BAD, name.why)
        try:
            return await self._create(name, asked)
        except RecordsUnavailable as error:
            return try_later(error)

    async def _create(self, name: VolumeName, asked: CreateVolume) -> Volume | No:
        known = await self._records.volumes()
        found = known.get(name)
        if found is None:
            if self._no_storage is not None:
                return No(Status.BAD, self._no_storage)
            spec = self._spec(name, asked.options, known)
            if isinstance(spec, BadOptions):
                return No(Status.BAD, f"volume {name}: {spec.why}")
            made = await self._records.create_volume(_new_record(name, spec))
            if isinstance(made, VolumeRecord):
                self._board.wrote(made)
                self._poke(f"volume {name} was created")
                return self._volume(made)
            found = (await self._records.volumes()).get(name)  # two nodes create it in the same moment
        return self._same(name, asked, found)

    def _spec(
        self, name: VolumeName, options: Mapping[str, str], known: Mapping[VolumeName, VolumeRecord]
    ) -> Spec | BadOptions:
        origin = copied_from(options)
        if origin is None:
            return parse_options(options)
        if not self._clones:
            return BadOptions("this storage driver cannot copy disks: leave clone-from out, and say a size")
        return parse_copy(options, name, known.get(origin))

    def _same(self, name: VolumeName, asked: CreateVolume, found: VolumeRecord | None) -> Volume | No:
        if found is None:
            return try_later(f"volume {name} was made and removed in the same moment")
        if found.phase is Phase.DELETING:
            return No(Status.CONFLICT, f"volume {name} is being deleted: wait until it is gone, or take another name")
        differs = difference(asked.options, found.spec)
        if differs is not None:
            return No(Status.CONFLICT, f"volume {name}: {differs}")
        return self._volume(found)

    async def get(self, asked: GetVolume) -> Volume | No:
        record = self._board.record(VolumeName(asked.name))
        if record is None:
            try:
                record = (await self._records.volumes()).get(VolumeName(asked.name))
            except RecordsUnavailable as error:
                return try_later(error)
        if record is None or record.phase is Phase.DELETING:
            return No(Status.MISSING, f"there is no volume {asked.name}")
        return self._volume(record)

    async def list(self) -> Volumes | No:
        try:
            records = await self._records.volumes()
        except RecordsUnavailable as error:
            return try_later(error)
        living = (record for _, record in sorted(records.items()) if record.phase is not Phase.DELETING)
        return Volumes(tuple(self._volume(record) for record in living))

    async def remove(self, asked: RemoveVolume) -> Empty | No:
        """Mark the volume for deletion; the loop unmounts, detaches and deletes it."""
        name = VolumeName(asked.name)
        self._poke(f"volume {name} is to be removed")
        look = await self._board.fresh_look(LOOK_SECONDS)
        if look is None or look.world.claims is None:
            return try_later(f"it cannot be seen just now whether a service uses volume {name}")
        claim = look.world.claims.get(name)
        if claim is not None and (claim.tasks or claim.services):
            return No(Status.CONFLICT, _in_use(claim))
        try:
            return await self._mark(name)
        except RecordsUnavailable as error:
            return try_later(error)

    async def _mark(self, name: VolumeName) -> Empty | No:
        for _ in range(ATTEMPTS):
            known = await self._records.volumes()
            record = known.get(name)
            if record is None:
                return No(Status.MISSING, f"there is no volume {name}")
            if record.phase is Phase.DELETING:
                return Empty()
            copies = _copies_under_way(record, known.values())
            if copies:
                return No(Status.CONFLICT, _being_copied(name, copies))
            written = await self._records.replace_volume(replace(record, phase=Phase.DELETING))
            if not isinstance(written, Stale):
                self._board.wrote(written)
                self._poke(f"volume {name} was removed")
                return Empty()
        return try_later(f"the record of volume {name} is being changed all the time")

    def _volume(self, record: VolumeRecord) -> Volume:
        spec = record.spec
        return Volume(record.name, spec.size_bytes, spec.fstype, self._board.why(record.name))


def _new_record(name: VolumeName, spec: Spec) -> VolumeRecord:
    # A gate that knew an older volume of this name refuses all serials up to that one's last: start above them.
    born = Serial(int(time.time()))
    return VolumeRecord(name=name, key=volume_key(name), spec=spec, fs_uuid=str(uuid.uuid4()), serial=born)


def _copies_under_way(record: VolumeRecord, known: Iterable[VolumeRecord]) -> list[VolumeName]:
    """Volumes that are being made as copies of this one."""
    return sorted(each.name for each in known if each.copying is not None and each.copying == record.disk)


def _being_copied(name: VolumeName, copies: list[VolumeName]) -> str:
    return (
        f"volume {', '.join(copies)} is being made as a copy of volume {name}: wait until that is done (`reberth "
        f"explain {copies[0]}` shows it), or remove that volume first"
    )


def _in_use(claim: Claim) -> str:
    services = ", ".join(claim.services or sorted({task.service for task in claim.tasks}))
    state = "is used by" if claim.tasks else "belongs to"
    return (
        f"volume {claim.volume} {state} service {services}: remove the service first (`docker service rm`); also "
        "scaled to 0 it keeps its data"
    )
