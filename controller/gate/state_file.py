"""
What the gate must still know after its process was restarted: the names of the swarm's volumes, who mounted, and up
to which serial it has promised to refuse. One small file, replaced whole.

The kernel's mount table is the truth about mounts; the file only adds the names and the mount IDs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from controller.gate.kernel.host import InThread
from controller.json_errors import NOT_JSON
from controller.protocol.bounds import Number
from controller.protocol.messages import MountGrant
from controller.volumes.handout_options import safe
from controller.volumes.naming import key_of

ENDED = "(ended) "  # before the mount ID of a user that is gone, while its mount could not be taken down
INHERITED = "(unknown)"  # stands for users of a mount that this gate has no memory of


class StateUnwritable(Exception):
    """The state file cannot be written: nothing may be promised."""


class VolumeState(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    ``users``: mount IDs, each with the serial of the grant that it was mounted under (0: not known). ``floor``: grants
    up to it are refused. ``used``: the newest grant that may have mounted; becomes the floor once unmounted.
    ``number``: the disk's major:minor while it may be in use. ``mount_options``: with which it is mounted.
    ``read_only``: nobody is to write to it; None: it was mounted by a gate whose memory is lost.
    """

    key: str = ""
    users: dict[str, Number] = {}
    floor: Number = 0
    used: Number = 0
    epoch: Number = 0
    number: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,9}:[0-9]{1,9}\Z")] | None = None
    mount_options: tuple[str, ...] = ()
    read_only: bool | None = False

    @property
    def serial(self) -> int:
        return max(self.floor, self.used)

    def without(self, mount_id: str) -> dict[str, int]:
        """The users that are left when this one goes; an ID that is not known can only be one of the unknown users."""
        leaver = mount_id if mount_id in self.users else INHERITED
        return {each: serial for each, serial in self.users.items() if each != leaver}

    def ended(self, mount_id: str) -> VolumeState:
        """Docker will not say again that this user is gone, and must not be given its mount as that of a living one."""
        left = self.without(mount_id)
        lost = {f"{ENDED}{each}": serial for each, serial in self.users.items() if each not in left}
        return msgspec.structs.replace(self, users={**left, **lost})

    @property
    def unused(self) -> bool:
        """No container has it: what may be mounted all the same has only to be taken down."""
        return all(user.startswith(ENDED) for user in self.users)

    def accepted(self, grant: MountGrant) -> VolumeState:
        used, options = max(self.used, grant.serial), safe(grant.mount_options)
        floor = max(self.floor, grant.void)
        words = msgspec.structs.replace(self, mount_options=options, read_only=grant.read_only)
        return msgspec.structs.replace(words, key=grant.key, used=used, epoch=grant.epoch, floor=floor)

    def begun(self, number: str) -> VolumeState:
        """The disk of this device number may be in use."""
        return msgspec.structs.replace(self, number=number)

    def counted(self, mount_id: str, serial: int) -> VolumeState:
        """It is a user, under the grant of that serial."""
        return msgspec.structs.replace(self, users={**self.users, mount_id: serial})

    def closed(self) -> VolumeState:
        """Nothing mounted, nothing in use: all that was granted is spent."""
        return msgspec.structs.replace(self, users={}, floor=self.serial, number=None)


class KnownList(msgspec.Struct, frozen=True):
    """The number of the newest list of names that was taken (`messages.Names`), and keys that count as known."""

    epoch: Number = 0
    count: Number = 0
    unreadable: frozenset[str] = frozenset()


class GateState(msgspec.Struct, frozen=True):
    """
    ``created``: names that are volumes of ours, those of ``listed`` and what was made here since. ``epoch``: the
    highest one of orders to connect a disk that were taken in this boot.
    """

    boot: str = ""
    created: frozenset[str] = frozenset()
    listed: KnownList = KnownList()
    volumes: dict[str, VolumeState] = {}
    epoch: Number = 0

    def with_volume(self, name: str, state: VolumeState) -> GateState:
        return msgspec.structs.replace(self, volumes={**self.volumes, name: state})


Edit = Callable[[GateState], GateState]


class StateFile:
    """
    Memory and file are always the same: a write that fails changes neither.

    The file is written in a thread, so that a slow disk under Docker's root holds only those who wait for a promise.
    What is asked for meanwhile is written together.
    """

    def __init__(self, path: Path, in_thread: InThread) -> None:
        self._path = path
        self._in_thread = in_thread
        self._edits: list[tuple[Edit, asyncio.Future[None]]] = []
        self._asked = asyncio.Event()
        self._ended = False  # nobody writes any more
        self.now = GateState()
        self.nameless: dict[str, VolumeState] = {}  # by key: what is mounted, and tells no name that fits its place
        self.lost: str | None = None  # why the file could not be read, if so

    async def load(self) -> None:
        """A file that cannot be understood is set aside: the mount table still tells what is mounted."""
        try:
            self.now = msgspec.json.decode(await self._in_thread(self._path.read_bytes), type=GateState)
        except FileNotFoundError:
            return
        except (OSError, *NOT_JSON) as error:
            self.lost = f"{self._path} could not be read ({error}) and was set aside"
            self._set_aside()

    def _set_aside(self) -> None:
        try:
            self._path.replace(self._path.with_suffix(".bad"))
        except OSError:
            return  # a later write says why

    def of(self, name: str) -> VolumeState:
        return self._of(self.now, name)

    def _of(self, now: GateState, name: str) -> VolumeState:
        known = now.volumes.get(name)
        if known is None and self.nameless:
            known = self.nameless.get(key_of(name) or "")
        return known or VolumeState()

    async def edit(self, name: str, change: Callable[[VolumeState], VolumeState]) -> None:
        """Change one volume's state. Raises StateUnwritable."""
        await self.change(lambda now: now.with_volume(name, change(self._of(now, name))))

    async def forget(self, names: frozenset[str]) -> None:
        """Raises StateUnwritable."""
        for name in names:
            self.nameless.pop(key_of(name) or "", None)
        await self.change(
            lambda now: msgspec.structs.replace(
                now, volumes={name: state for name, state in now.volumes.items() if name not in names}
            )
        )

    async def add_name(self, name: str) -> None:
        await self.change(lambda now: msgspec.structs.replace(now, created=now.created | {name}))

    async def drop_name(self, name: str) -> None:
        await self.change(lambda now: msgspec.structs.replace(now, created=now.created - {name}))

    async def keep_list(self, names: frozenset[str], listed: KnownList) -> None:
        """Raises StateUnwritable."""
        await self.change(lambda now: msgspec.structs.replace(now, created=names, listed=listed))

    async def rebuild(self, boot: str, volumes: Mapping[str, VolumeState]) -> None:
        """Of another boot nothing counts."""
        await self.change(
            lambda now: msgspec.structs.replace(
                now, boot=boot, volumes=dict(volumes), epoch=now.epoch if now.boot == boot else 0
            )
        )

    async def change(self, edit: Edit) -> None:
        """Returns when it is on the disk. Raises StateUnwritable; then nothing has changed."""
        if not self._edits and edit(self.now) == self.now:
            return
        if self._ended:
            raise StateUnwritable(f"{self._path} is written no more: the gate is being stopped")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._edits.append((edit, written))
        self._asked.set()
        await written

    async def run(self) -> None:
        """Write what is asked for, until cancelled; whoever waits then is told."""
        self._ended = False
        try:
            await self._write_on()
        finally:
            self._ended = True
            for _, written in self._edits:
                if not written.done():
                    written.set_exception(
                        StateUnwritable(f"{self._path} is written no more: the gate is being stopped")
                    )
            self._edits.clear()

    async def _write_on(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            batch, state = tuple(self._edits), self.now
            for edit, _ in batch:
                state = edit(state)
            failure = await self._written(state)
            del self._edits[: len(batch)]
            for _, written in batch:
                if written.done():  # nobody waits any more
                    continue
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)

    async def _written(self, state: GateState) -> StateUnwritable | None:
        try:
            await self._in_thread(lambda: _write(self._path, msgspec.json.encode(state)))
        except OSError as error:
            return StateUnwritable(
                f"{self._path} cannot be written ({error.strerror}); is there room under Docker's root directory?"
            )
        self.now = state
        return None


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
