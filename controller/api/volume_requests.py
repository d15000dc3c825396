"""The volumes that people make and remove: ``docker volume create|rm``, and what the stack files ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from controller.api.changes.making import LOOK_SECONDS, marked, new_record, unable, unfit
from controller.api.changes.quotas import Quotas
from controller.api.recovery.unrecorded import UnrecordedDisks
from controller.api.removed_names import still_ours
from controller.api.routes import Route, route
from controller.api.status import details
from controller.api.volume_rights import (
    being_copied,
    copies_under_way,
    holds,
    in_use,
    may_see,
    not_wanted,
    other_options,
    removed,
    wanted_by,
)
from controller.model import DriverOption, Epoch, NodeId, Phase, Spec, VolumeName, VolumeRecord
from controller.protocol import endpoints
from controller.protocol.answers import Rejection, Status, unavailable
from controller.protocol.identity import Peer, Role
from controller.protocol.messages import (
    CreateVolume,
    Details,
    Empty,
    GetVolume,
    KnownNames,
    Names,
    RemoveVolume,
    Volume,
    Volumes,
)
from controller.reconciler.state import LoopState, VolumeNames
from controller.records.base import Records, RecordsUnavailable
from controller.records.rewriting import Contended, rewrite
from controller.volumes.driver_options import refusal, with_place
from controller.volumes.naming import BadName, volume_name
from controller.volumes.options import BadOptions, copied_from, difference, parse_copy, parse_new
from drivers.base import DriverError, StorageDriver

LONGEST_WAIT = 60.0


class VolumeRequests:
    """
    ``no_storage``: why there is no storage driver, or None. ``options``: those that it declares.
    ``keep``: seconds for which the disk of a removed volume is kept.
    """

    def __init__(  # noqa: PLR0913 -- joined once, in parts.py
        self,
        state: LoopState,
        records: Records,
        no_storage: str | None = None,
        driver: StorageDriver | None = None,
        *,
        keep: float = 0.0,
        options: Sequence[DriverOption] = (),
        quotas: Quotas | None = None,
    ) -> None:
        self._state = state
        self._records = records
        self._wakeup = state.wakeup
        self._no_storage = no_storage
        self._can = None if driver is None else driver.capabilities
        self._names = VolumeNames(state)
        self._keep, self._options = keep, options
        self._quotas = quotas or Quotas()
        self._unrecorded = UnrecordedDisks(state, driver)

    def routes(self) -> Iterable[Route]:
        yield route(endpoints.CREATE_VOLUME, self._create_as)
        yield route(endpoints.GET_VOLUME, self._get_as)
        yield route(endpoints.INSPECT_VOLUME, self._inspect_as)
        yield route(endpoints.LIST_VOLUMES, self._list_as)
        yield route(endpoints.NAMES, lambda _, asked: self.names(asked))
        yield route(endpoints.REMOVE_VOLUME, self._remove_as)

    # As whom? A manager's node may do all of it; a worker what volume_rights.py says.

    async def _create_as(self, peer: Peer, asked: CreateVolume) -> Volume | Rejection:
        if peer.role is not Role.MANAGER:
            why = await self._not_asked_for(peer.node, VolumeName(asked.name), asked.options)
            if why is not None:
                return why
        return await self.create(asked)

    async def _not_asked_for(self, node: NodeId, name: VolumeName, options: Mapping[str, str]) -> Rejection | None:
        """A task that was placed a moment ago is in the next look."""
        if self._state.world is not None and options in wanted_by(self._state.world, node, name):
            return None
        self._wakeup(f"node {node} wants to make volume {name}")
        look = await self._state.fresh_look(LOOK_SECONDS)
        if look is None or look.world.claims is None:
            return unavailable(f"it cannot be seen just now whether a service uses volume {name}")
        wanted = wanted_by(look.world, node, name)
        if options in wanted:
            return None
        hostname = self._hostname(node)
        why = other_options(hostname, name, options) if wanted else not_wanted(hostname, name)
        return Rejection(Status.FORBIDDEN, why)

    async def _get_as(self, peer: Peer, asked: GetVolume) -> Volume | Rejection:
        found = await self.get(asked)
        if isinstance(found, Rejection) and found.status is Status.MISSING:
            record = self._state.record(VolumeName(asked.name))
            if record is not None and await still_ours(self._state, peer.node, record.name):
                found = self._volume(record)
        if isinstance(found, Rejection):
            return found
        if VolumeName(asked.name) in self._state.unrecorded:
            found = await self._as_asked(peer, asked, found)
        return self._seen_by(peer, found)

    async def _as_asked(self, peer: Peer, asked: GetVolume, found: Volume) -> Volume:
        """Docker sees a volume, and does not call Create: what a service asks for must not get lost by that."""
        wanted = () if self._state.world is None else wanted_by(self._state.world, peer.node, VolumeName(asked.name))
        made = await self.create(CreateVolume(asked.name, dict(wanted[0]))) if wanted else found
        return made if isinstance(made, Volume) else found

    async def _inspect_as(self, peer: Peer, asked: GetVolume) -> Details | Rejection:
        found = await self.get(asked)
        if isinstance(found, Rejection):
            return found
        record = self._state.record(VolumeName(asked.name))
        if record is None or not self._may_see(peer, record):
            return Details(asked.name, why=self._seen_by(peer, found).status)
        return details(self._state, record)

    async def _list_as(self, peer: Peer, _: Empty) -> Volumes | Rejection:
        found = await self.list()
        if isinstance(found, Rejection):
            return found
        return Volumes(tuple(self._seen_by(peer, each) for each in found.volumes))

    def _seen_by(self, peer: Peer, volume: Volume) -> Volume:
        record = self._state.record(VolumeName(volume.name))
        if peer.role is Role.MANAGER or (record is not None and self._may_see(peer, record)):
            return volume
        return Volume(volume.name, 0, "", "managers are told more: `reberth explain`")

    def _may_see(self, peer: Peer, record: VolumeRecord) -> bool:
        return peer.role is Role.MANAGER or may_see(self._state.world, peer.node, record)

    async def _remove_as(self, peer: Peer, asked: RemoveVolume) -> Empty | Rejection:
        record = self._state.record(VolumeName(asked.name))
        world = self._state.world
        if (asked.now or asked.by) and peer.role is not Role.MANAGER:
            return Rejection(Status.FORBIDDEN, "only managers delete a volume at once, or say who removes it")
        if peer.role is Role.MANAGER or record is None or (world is not None and holds(world, peer.node, record)):
            return await self.remove(asked)
        return Rejection(
            Status.FORBIDDEN,
            f"volume {asked.name} is not on node {self._hostname(peer.node)}: remove it on the node that has it, or "
            "on a manager",
        )

    def _hostname(self, node: NodeId) -> str:
        nodes = None if self._state.world is None else self._state.world.nodes
        found = (nodes or {}).get(node)
        return node if found is None else found.hostname

    async def create(self, asked: CreateVolume) -> Volume | Rejection:
        name = volume_name(asked.name)
        if isinstance(name, BadName):
            return Rejection(Status.BAD, name.why)
        try:
            return await self._create(name, asked)
        except RecordsUnavailable as error:
            return unavailable(error)

    async def _create(self, name: VolumeName, asked: CreateVolume) -> Volume | Rejection:
        known = await self._records.volumes()
        found = known.get(name)
        if found is None:
            if self._no_storage is not None:
                return Rejection(Status.BAD, self._no_storage)
            bad = await unfit(self._state, name)
            if bad is not None:
                return bad
            spec = self._spec(name, with_place(name, asked.options, self._options), known)
            why = spec.why if isinstance(spec, BadOptions) else refusal(spec, self._options, name)
            if isinstance(spec, BadOptions) or why is not None:
                return Rejection(Status.BAD, f"volume {name}: {why}")
            made = await self._quotas.create(self._records, new_record(name, spec))
            if isinstance(made, Rejection):
                return made
            if isinstance(made, VolumeRecord):
                self._state.wrote(made)
                self._wakeup(f"volume {name} was created")
                return self._volume(made)
            found = (await self._records.volumes()).get(name)  # two nodes create it in the same moment
        return self._same(name, asked, found)

    def _spec(
        self, name: VolumeName, options: Mapping[str, str], known: Mapping[VolumeName, VolumeRecord]
    ) -> Spec | BadOptions:
        origin, why = copied_from(options), unable(options, self._can)
        if why is not None:
            return BadOptions(why)
        if origin is None:
            return parse_new(options)
        return parse_copy(options, name, known.get(origin))

    def _same(self, name: VolumeName, asked: CreateVolume, found: VolumeRecord | None) -> Volume | Rejection:
        if found is None:
            return unavailable(f"volume {name} was made and removed in the same moment")
        if found.phase is Phase.DELETING:
            return Rejection(Status.CONFLICT, removed(found))
        world = self._state.world
        claim = None if world is None else (world.claims or {}).get(name)
        differs = difference(asked.options, found.spec, sized=claim is None or not claim.wished)
        return self._volume(found) if differs is None else Rejection(Status.CONFLICT, f"volume {name}: {differs}")

    async def get(self, asked: GetVolume) -> Volume | Rejection:
        record = self._state.record(VolumeName(asked.name))
        unreadable = self._state.unreadable(VolumeName(asked.name))
        if unreadable is not None:  # there is one: MISSING would make Docker take an empty local volume for it
            return Volume(asked.name, 0, "", unreadable)
        if record is None:
            try:
                record = (await self._records.volumes()).get(VolumeName(asked.name))
            except RecordsUnavailable as error:
                return unavailable(error)
        if record is None:
            return await self._without_record(VolumeName(asked.name))
        if record.phase is Phase.DELETING:
            return Rejection(Status.MISSING, f"there is no volume {asked.name}")
        return self._volume(record)

    async def _without_record(self, name: VolumeName) -> Volume | Rejection:
        try:
            found = await self._unrecorded.of(name)
        except DriverError as error:
            return unavailable(f"whether the storage has a disk of volume {name} cannot be seen: {error}")
        missing = Rejection(Status.MISSING, f"there is no volume {name}")
        return missing if found is None else Volume(name, 0, "", str(found))

    async def list(self) -> Volumes | Rejection:
        try:
            records = await self._records.volumes()
        except RecordsUnavailable as error:
            return unavailable(error)
        living = (record for _, record in sorted(records.items()) if record.phase is not Phase.DELETING)
        return Volumes(tuple(self._volume(record) for record in living))

    async def names(self, known: KnownNames) -> Names | Rejection:
        """All names, for any node: a worker may know them."""
        found = await self._names.news(known, min(known.wait, LONGEST_WAIT))
        return unavailable("the volume records were not read yet") if found is None else found

    async def remove(self, asked: RemoveVolume) -> Empty | Rejection:
        """Mark the volume for deletion; the loop unmounts, detaches and deletes it."""
        name = VolumeName(asked.name)
        self._wakeup(f"volume {name} is to be removed")
        look = await self._state.fresh_look(LOOK_SECONDS)
        if look is None or look.world.claims is None:
            return unavailable(f"it cannot be seen just now whether a service uses volume {name}")
        claim = look.world.claims.get(name)
        if claim is not None and (claim.tasks or claim.services):
            return Rejection(Status.CONFLICT, in_use(claim))
        try:
            return await self._mark(name, asked)
        except RecordsUnavailable as error:
            return unavailable(error)

    async def _mark(self, name: VolumeName, asked: RemoveVolume) -> Empty | Rejection:
        written: VolumeRecord | Empty | Rejection | Contended = await rewrite(
            self._records, name, lambda known: self._marked(name, known, asked)
        )
        if isinstance(written, Contended):
            return unavailable(written)
        if not isinstance(written, VolumeRecord):
            return written
        self._state.wrote(written, f"volume {name} was removed")
        return Empty()

    def _marked(
        self, name: VolumeName, known: Mapping[VolumeName, VolumeRecord], asked: RemoveVolume
    ) -> VolumeRecord | Empty | Rejection:
        record = known.get(name)
        if record is None:
            return Rejection(Status.MISSING, f"there is no volume {name}")
        if record.phase is Phase.DELETING and not (asked.now and record.delete_at is not None):
            return Empty()
        copies = copies_under_way(record, known.values())
        if copies:
            return Rejection(Status.CONFLICT, being_copied(name, copies))
        epoch = Epoch(0) if self._state.world is None else self._state.world.epoch
        return marked(record, self._state.wall(), epoch, self._state.grace(self._keep), asked)

    def _volume(self, record: VolumeRecord) -> Volume:
        return Volume(record.name, record.spec.size_bytes, record.spec.fstype, self._state.why(record.name))
