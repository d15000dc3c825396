"""
What the gate must still know after its process was restarted: the names it was asked to create, who mounted, and up to
which serial it has promised to refuse. One small file in the plugin's own file system, replaced whole.

The kernel's mount table is the truth about mounts; the file only adds the names and the mount IDs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

INHERITED = "(unknown)"  # stands for users of a mount that this gate has no memory of


class StateUnwritable(Exception):
    """The state file cannot be written: nothing may be promised."""


class VolumeState(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    ``floor``: grants up to it are refused. ``used``: the newest grant that may have mounted; becomes the floor once
    unmounted. ``number``: the disk's major:minor while it may be in use.
    """

    key: str = ""
    ids: frozenset[str] = frozenset()
    floor: int = 0
    used: int = 0
    epoch: int = 0
    number: str | None = None

    @property
    def serial(self) -> int:
        return max(self.floor, self.used)

    def closed(self) -> VolumeState:
        """Nothing mounted, nothing in use: all that was granted is spent."""
        return msgspec.structs.replace(self, ids=frozenset(), floor=self.serial, number=None)


class GateState(msgspec.Struct, frozen=True):
    boot: str = ""
    created: frozenset[str] = frozenset()
    volumes: dict[str, VolumeState] = {}


class StateFile:
    """Memory and file are always the same: a write that fails changes neither."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.now = GateState()
        self.lost: str | None = None  # why the file could not be read, if so

    def load(self) -> None:
        """A file that cannot be understood is set aside: the mount table still tells what is mounted."""
        try:
            self.now = msgspec.json.decode(self._path.read_bytes(), type=GateState)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            self.lost = f"{self._path} could not be read ({error}) and was set aside"
            self._set_aside()

    def _set_aside(self) -> None:
        try:
            self._path.replace(self._path.with_suffix(".bad"))
        except OSError:
            return  # a later write says why

    def volume(self, name: str) -> VolumeState:
        return self.now.volumes.get(name) or VolumeState()

    def put(self, name: str, state: VolumeState) -> None:
        if self.now.volumes.get(name) != state:
            self.write(msgspec.structs.replace(self.now, volumes={**self.now.volumes, name: state}))

    def add_name(self, name: str) -> None:
        if name not in self.now.created:
            self.write(msgspec.structs.replace(self.now, created=self.now.created | {name}))

    def drop_name(self, name: str) -> None:
        if name in self.now.created:
            self.write(msgspec.structs.replace(self.now, created=self.now.created - {name}))

    def rebuild(self, boot: str, volumes: Mapping[str, VolumeState]) -> None:
        self.write(msgspec.structs.replace(self.now, boot=boot, volumes=dict(volumes)))

    def write(self, state: GateState) -> None:
        """Raises StateUnwritable; then nothing has changed."""
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(state))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StateUnwritable(
                f"{self._path} cannot be written ({error.strerror}); is there room under Docker's root directory?"
            ) from error
        self.now = state
