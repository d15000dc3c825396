"""The disks of a pool of Ceph's: made, found, copied, made larger, deleted, and made ready for one more VM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from secrets import token_hex

import structlog

from controller.model import DiskId, VolumeKey
from drivers.base import Created, CreateOutcome, Done, InDoubt, Outcome, Refused, Room
from drivers.libvirt.decide import Look, attachments, moved_away
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import key_of, owner, owners_of
from drivers.libvirt.looking.pools import Pools
from drivers.libvirt.rbd.fence import cut
from drivers.libvirt.rbd.names import Names, copy_name, named
from drivers.libvirt.rbd.tools import Tools
from drivers.libvirt.stores import CopyOf, Disks, Note
from drivers.owners import Owners
from drivers.shared.copies import Sources
from drivers.shared.faults import CallError
from drivers.shared.outcomes import failure, not_begun

log = structlog.get_logger()
FORMAT = "raw"
_NOTE_BYTES = 4 << 20  # of an image that says which swarm the pool belongs to; nothing is written to it
_PAUSE = 2.0  # seconds after which whoever is refused for another call's sake asks again


class Images:
    """``look``: all hosts that answer, now."""

    def __init__(self, tools: Tools, look: Callable[[], Awaitable[Look]]) -> None:
        self._tools = tools
        self._look = look
        self.sources = Sources(_PAUSE)

    async def close(self) -> None:
        await self._tools.close()

    async def _names(self) -> Names:
        return Names(tuple(await self._tools.images()))

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        return (await self._names()).keys(beginning)

    async def owners(self, pools: Pools) -> Owners:
        images = await self._tools.images()
        return Owners({f"Ceph's pool {pools.default}": owners_of(f"{each}.raw" for each in images)})

    async def mark(self, pools: Pools, swarm: str, *, there: bool) -> None:  # noqa: ARG002 - one pool
        image = owner(swarm).removesuffix(".raw")
        if not there:
            await self._removed(image)
        elif image not in await self._tools.images():
            await self._tools.create(image, _NOTE_BYTES)

    async def disks(self, pools: Pools) -> Disks:
        try:
            keys = await self.keys("")
        except CallError as error:
            return Disks((), str(error))
        return Disks(tuple(pools.usable[0].disk(key, FORMAT) for key in keys))

    async def rooms(self) -> Sequence[Room]:
        """Not told: what is free of a Ceph cluster is no right of a client that has one pool (`ceph df`)."""
        return ()

    async def create(self, key: VolumeKey, size: int, place: str | None) -> CreateOutcome:  # noqa: ARG002 - one pool
        try:
            names, disk = await self._names(), self._disk(await self._look(), key)
        except CallError as error:
            return not_begun(error)
        try:
            return await self._sized(names, disk, size) or await self._create(disk, size)
        except CallError as error:
            return failure(error)

    def _disk(self, look: Look, key: VolumeKey) -> DiskId:
        return look.pools.usable[0].disk(key, FORMAT)

    async def _create(self, disk: DiskId, size: int) -> CreateOutcome:
        try:
            await self._tools.create(named(key_of(disk)), size)
        except Fault as fault:
            if fault.kind is not Kind.EXISTS:
                raise
        return await self._sized(await self._names(), disk, size) or InDoubt(f"{disk} was made and is not there")

    async def _sized(self, names: Names, disk: DiskId, size: int) -> CreateOutcome | None:
        """The disk as it is found, if it is there."""
        if (image := names.current(disk)) is None:
            return None
        have = await self._tools.size(image)
        if have != size:
            why = f"{disk} exists with {have} bytes, not {size}"
            return Refused(why, cure="Give the volume another name, or that size.")
        return Created(disk)

    async def ready(self, disks: Sequence[DiskId]) -> Mapping[DiskId, str | Outcome]:
        """
        The image's new name of each disk that may be attached now: whoever else had it open is fenced.

        Fenced first: renaming takes the image's lock, and with it the trace of who had it. Then renamed: from then on
        no attach that was decided before can open it. Then looked whether one did so in between, and fenced again who
        is no VM's attachment.
        """
        try:
            # QEMU asks a monitor when it opens an image, and stands still with its guest where none answers.
            await self._tools.reached()
            names = await self._names()
        except CallError as error:
            return dict.fromkeys(disks, not_begun(error))
        outcomes = {disk: await _attempt(self._renamed(names, disk)) for disk in disks}
        given = {disk: image for disk, image in outcomes.items() if isinstance(image, str)}
        if not given:
            return outcomes
        try:
            held, names = {each.disk: each.vm for each in attachments(await self._look())}, await self._names()
        except CallError as error:
            return outcomes | dict.fromkeys(given, not_begun(error))
        for disk, image in given.items():
            if disk in held:
                outcomes[disk] = Refused(f"{disk} is attached to the VM {held[disk]}", _PAUSE)
            else:
                outcomes[disk] = await _attempt(self._fenced(names, disk, image))
        return outcomes

    async def _renamed(self, names: Names, disk: DiskId) -> str | Outcome:
        if (image := names.current(disk)) is None:
            return Refused(f"there is no disk {disk}")
        new = named(key_of(disk), token_hex(6))
        try:
            await cut(self._tools, image)
            await self._tools.rename(image, new)
        except Fault as fault:
            if fault.kind is not Kind.NO_VOLUME:
                raise
            return Refused(f"another controller is about to attach {disk}", _PAUSE)
        return new

    async def _fenced(self, names: Names, disk: DiskId, image: str) -> str | Outcome:
        if names.current(disk) != image:
            return Refused(f"another controller is about to attach {disk}", _PAUSE)
        await cut(self._tools, image)
        return image

    async def note(self, disk: DiskId) -> None:
        """
        Before a grant: who has the image open is noted with it, and so is fenced however long it was frozen.

        Raises CallError, also where nobody has it open: then what is open is not known.
        """
        if (image := (await self._names()).current(disk)) is None:
            raise Fault(Kind.NO_VOLUME, f"there is no disk {disk}")
        watching = await self._tools.watchers(image)
        if not watching:
            raise Fault(
                Kind.STATE,
                f"Ceph knows nobody who has {image} open, although it is attached; if it stays so, the VM was cut off "
                "from it: let the task start on another node, or switch the VM off and on",
            )
        for address in set(watching) - set(await self._tools.noted(image)):
            await self._tools.note(image, address)

    async def noted(self, disks: Sequence[DiskId]) -> Sequence[Note]:
        """Read before a detach, for `forget`. Nothing where it cannot be read: they are fenced one day, needlessly."""
        try:
            names = await self._names()
            images = [image for disk in disks if (image := names.current(disk)) is not None]
            return [Note(key_of(image), address) for image in images for address in await self._tools.noted(image)]
        except CallError as error:
            log.warning("disk.notes_unread", disks=disks, why=str(error))
            return ()

    async def forget(self, disks: Sequence[DiskId], notes: Sequence[Note]) -> None:
        """After the detach, which is evidence that they are closed."""
        if not disks or not notes:
            return
        try:
            names = await self._names()
            for disk in disks:
                image = names.current(disk)
                for note in notes:
                    if image is not None and note.key == key_of(disk):
                        await self._tools.forget(image, note.address)
        except CallError as error:
            log.warning("disk.notes_kept", disks=disks, why=str(error))

    async def clone(self, key: VolumeKey, size: int, source: DiskId, place: str | None) -> CreateOutcome:  # noqa: ARG002 - one
        try:
            names, look = await self._names(), await self._look()
            disk = self._disk(look, key)
            found = await self._sized(names, disk, size)
        except CallError as error:
            return not_begun(error)
        if found is not None:
            return found
        if (refused := _taken(look, source)) is not None:
            return refused
        with self.sources.copying(source):
            try:
                return await self._clone(names, key, disk, size, source)
            except Fault as fault:
                return Refused(str(fault), _PAUSE)
            except CallError as error:
                return failure(error)

    async def live(self, key: VolumeKey, size: int, source: DiskId, copy: CopyOf) -> CreateOutcome:  # noqa: ARG002
        return Refused(f"{source} is in use, and an image of Ceph's is copied only while it is attached nowhere")

    async def _clone(self, names: Names, key: VolumeKey, disk: DiskId, size: int, source: DiskId) -> CreateOutcome:
        """Whole before it has its name; and of one time, since an attach of the source would have renamed it."""
        if (image := names.current(source)) is None:
            return Refused(f"there is no disk {source} to copy")
        await self._forget(key)
        await cut(self._tools, image)
        half = copy_name(key, token_hex(6))
        await self._tools.copy(image, half)
        if (await self._names()).current(source) != image or _taken(await self._look(), source) is not None:
            await self._removed(half)
            return Refused(f"{source} was attached while it was copied", _PAUSE)
        if await self._tools.size(half) < size:
            await self._tools.resize(half, size)
        try:
            await self._tools.rename(half, named(key))
        except Fault as fault:
            await self._removed(half)
            return Refused(f"another call under this key was faster: {fault}", _PAUSE)
        return await self._sized(await self._names(), disk, size) or InDoubt(f"{disk} was made and is not there")

    async def grow(self, pools: Pools, disk: DiskId, size: int) -> Outcome:  # noqa: ARG002 - one pool
        """Of a disk that no VM has. Raises CallError."""
        if (image := (await self._names()).current(disk)) is None:
            return Refused(f"there is no disk {disk}")
        if await self._tools.size(image) < size:
            await self._tools.resize(image, size)
        have = await self._tools.size(image)
        return Done() if have >= size else InDoubt(f"the disk still has {have} bytes, not {size}")

    async def remove(self, pools: Pools, disk: DiskId) -> None:  # noqa: ARG002 - one pool
        """Of a disk that no VM has; with images of its name that are none. Raises CallError."""
        for image in (await self._names()).of(disk):
            await self._removed(image)
        await self._forget(key_of(disk))

    async def _forget(self, key: VolumeKey) -> None:
        """What is left of copies that nobody will finish. One under way is open, and Ceph refuses to remove it."""
        for half in (await self._names()).copies(key):
            await self._removed(half)

    async def _removed(self, image: str) -> None:
        try:
            await self._tools.remove(image)
        except Fault as fault:
            if fault.kind is not Kind.NO_VOLUME:
                raise


async def _attempt(step: Awaitable[str | Outcome]) -> str | Outcome:
    try:
        return await step
    except Fault as fault:
        return Refused(str(fault), fault.pause)
    except CallError as error:
        return not_begun(error)


def _taken(look: Look, source: DiskId) -> Refused | None:
    if (why := look.pools.refusal(source) or moved_away(look, source)) is not None:
        return Refused(why)
    holder = next((each.vm for each in attachments(look) if each.disk == source), None)
    return None if holder is None else Refused(f"{source} cannot be copied while it is attached to the VM {holder}")
