"""The disks of pools of libvirt's: files in folders that all hosts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from controller.model import DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, Done, InDoubt, Outcome, Refused, Room
from drivers.libvirt.client import PoolFiles
from drivers.libvirt.decide import Look
from drivers.libvirt.files.copying import Copier, Run
from drivers.libvirt.files.placing import said_pool, unable
from drivers.libvirt.inventory import key_of, keys_of, owner, owners_of
from drivers.libvirt.looking.pools import Pool, Pools
from drivers.libvirt.stores import CopyOf, Disks, Note
from drivers.owners import Owners
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError, NotSent
from drivers.shared.outcomes import Failure, failure, not_begun

_NOTE_BYTES = 512


class Files:
    """
    Nothing has to be made ready: QEMU's lock on the file is the guard. ``files``: of each pool, by name.

    ``look``: of the hosts that answer; ``whole``: raises where one does not.
    A pool that bore a swarm's note, and bears none now, shows an empty folder in place of what was mounted there.
    """

    def __init__(
        self,
        files: Mapping[str, PoolFiles],
        run: Run,
        look: Callable[[], Awaitable[Look]],
        whole: Callable[[], Awaitable[Look]],
        extension: str,
    ) -> None:
        self._files = files
        self._run = run
        self._look = look
        self._extension = extension
        self._copier = Copier(files, run, whole, extension)
        self._noted: set[str] = set()  # pools that were seen with a note

    @property
    def sources(self) -> Sources:
        return self._copier.sources

    async def create(self, key: VolumeKey, size: int, place: str | None) -> CreateOutcome:
        try:
            at = await self._place((await self._look()).pools, key, place)
        except CallError as error:
            return not_begun(error)
        if not isinstance(at, Pool):
            return at
        disk = at.disk(key, self._extension)
        try:
            if at.name in self._noted and not owners_of(await self._run(self._files[at.name].names)):
                return _bare(at)
            have = await self._run(partial(self._files[at.name].create, _name(disk), size, self._extension))
        except CallError as error:
            return failure(error)
        if have != size:
            why = f"{disk} exists with {have} bytes, not {size}"
            return Refused(why, cure="Give the volume another name, or that size.")
        return Created(disk)

    async def _place(self, pools: Pools, key: VolumeKey, place: str | None) -> Pool | Failure:
        """
        A key is of one disk: who says no pool gets the one that was made under it before, wherever it is.

        A pool that cannot be searched is left out: what may be there under this key was never attached, and is empty.
        """
        if place is not None or len(pools.names) == 1:
            return unable(said_pool(pools, place or pools.default))
        found = [pool for pool in pools.able if await self._has(pool, key)]
        if len(found) > 1:
            both = " and ".join(each.disk(key, self._extension) for each in found)
            return Refused(
                f"there are {both}: which one is meant?", cure="move all but one of them away, or say the pool"
            )
        return found[0] if found else unable(said_pool(pools, pools.default))

    async def _has(self, pool: Pool, key: VolumeKey) -> bool:
        return _name(pool.disk(key, self._extension)) in await self._run(self._files[pool.name].names)

    async def clone(self, key: VolumeKey, size: int, source: DiskId, place: str | None) -> CreateOutcome:
        return await self._copier.clone(key, size, source, place)

    async def live(self, key: VolumeKey, size: int, source: DiskId, copy: CopyOf) -> CreateOutcome:
        return await self._copier.live(key, size, source, copy)

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        """Of all pools: raises where one of them cannot be searched."""
        pools = (await self._look()).pools
        found = set[VolumeKey]()
        for name in pools.names:
            able = pools.usable_or(name)
            if isinstance(able, CallError):
                raise able
            found.update(keys_of(await self._run(self._files[name].names), beginning))
        return sorted(found)

    async def disks(self, pools: Pools) -> Disks:
        listed, gaps = await self._listed(pools)
        found = [DiskId(f"{at.path}/{file}") for at, files in listed for file in files]
        return Disks(tuple(disk for disk in found if pools.of(disk) is not None), "; ".join(gaps))

    async def owners(self, pools: Pools) -> Owners:
        listed, gaps = await self._listed(pools)
        if not listed:
            raise NotSent("; ".join(gaps))
        self._noted |= {at.name for at, files in listed if owners_of(files)}
        return Owners({f"the pool {at.name} ({at.path})": owners_of(files) for at, files in listed}, tuple(gaps))

    async def mark(self, pools: Pools, swarm: str, *, there: bool) -> None:
        if not pools.able:
            raise NotSent("no pool can be written to")
        for at in pools.able:
            if there:
                await self._run(partial(self._files[at.name].create, owner(swarm), _NOTE_BYTES, "raw"))
            else:
                await self._copier.remove(at.name, DiskId(owner(swarm)))

    async def _listed(self, pools: Pools) -> tuple[list[tuple[Pool, Sequence[str]]], list[str]]:
        """The files of each pool, and why others cannot be listed."""
        found, gaps = list[tuple[Pool, Sequence[str]]](), list[str]()
        for name in pools.names:
            try:
                able = pools.usable_or(name)
                if isinstance(able, CallError):
                    raise able
                found.append((able, await self._run(self._files[name].names)))
            except CallError as error:
                gaps.append(str(error))
        return found, gaps

    async def remove(self, pools: Pools, disk: DiskId) -> None:
        at = pools.kept_by(disk).name
        await self._copier.remove(at, disk)
        await self._copier.forget(at, key_of(disk))

    async def grow(self, pools: Pools, disk: DiskId, size: int) -> Outcome:
        files, name = self._files[pools.kept_by(disk).name], _name(disk)
        if await self._run(partial(files.size, name)) < size:
            await self._run(partial(files.resize, name, size))
        have = await self._run(partial(files.size, name))
        return Done() if have >= size else InDoubt(f"the disk still has {have} bytes, not {size}")

    async def rooms(self) -> Sequence[Room]:
        """Of the pools that tell it: one that does not is told of elsewhere. Raises where none does."""
        pools = (await self._look()).pools
        told = [await self._room(pools, name) for name in pools.names]
        found = [each for each in told if isinstance(each, Room)]
        if not found:
            raise next(each for each in told if isinstance(each, CallError))
        return found

    async def _room(self, pools: Pools, name: str) -> Room | CallError:
        if isinstance(able := pools.usable_or(name), CallError):
            return able
        try:
            free, size = await self._run(self._files[name].room)
        except CallError as error:
            return error
        return Room(f"the pool {name}", free, size)

    async def ready(self, disks: Sequence[DiskId]) -> Mapping[DiskId, str | Outcome]:
        return dict(zip(disks, disks, strict=True))

    async def note(self, disk: DiskId) -> None:
        """A lock on a file is kept by the kernel for as long as the file is open."""

    async def noted(self, disks: Sequence[DiskId]) -> Sequence[Note]:  # noqa: ARG002 - there are none
        return ()

    async def forget(self, disks: Sequence[DiskId], notes: Sequence[Note]) -> None:
        """There are none."""

    async def close(self) -> None:
        """Nothing is open."""


def _name(disk: DiskId) -> str:
    return disk.rsplit("/", 1)[-1]


def _bare(at: Pool) -> Refused:
    return Refused(
        f"the pool {at.name} has lost the note of the swarm it belongs to: {at.path} is most likely not mounted now",
        cure="mount it on all hosts, or give the volume another pool",
    )
