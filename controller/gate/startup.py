"""After a start of the gate: what its file says and what the kernel's mount table shows, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from controller.gate.kernel.host import Host
from controller.gate.kernel.mount_table import Mount
from controller.gate.state_file import INHERITED, StateFile, VolumeState
from controller.gate.volume_table import VolumeTable

log = structlog.get_logger()

UNSEEN = "the gate has just started, and has not looked yet whether a container still holds the disk {}"


async def rebuild(volumes: VolumeTable, store: StateFile, host: Host, boot: str) -> None:
    """
    Raises StateUnwritable, OSError.

    A disk that was in use and is not in the mount table counts as held until somebody looked (`UnmountJob.check`):
    dockerd unmounts what is the plugin's when it stops it, and the containers go on.
    """
    table = host.mounted()
    known = _of_this_boot(store, boot)
    known.update(await _nameplates(host, table, {volumes.root / one.key for one in known.values() if one.key}))
    await store.rebuild(boot, {name: _with_mount(one, volumes.root, table) for name, one in known.items()})
    volumes.observe(table)
    for volume in volumes:
        volume.inherit(asyncio.get_running_loop().time())
        if volume.mount is None and volume.stored.number is not None:
            volume.hold(UNSEEN.format(volume.stored.number))


def _of_this_boot(store: StateFile, boot: str) -> dict[str, VolumeState]:
    """Of another boot nothing counts: mounts went with its kernel, grants name their boot, epochs may begin anew."""
    return dict(store.now.volumes) if store.now.boot == boot else {}


async def _nameplates(host: Host, table: Mapping[Path, Mount], known: set[Path]) -> dict[str, VolumeState]:
    """What is mounted and not remembered tells by itself which volume it is."""
    found = {}
    for path in set(table) - known:
        plate = await host.nameplate(path)
        if plate is None:
            log.error("mount.unknown", why=f"{path} is mounted, and nothing tells which volume it is")
        else:
            found[plate.name] = VolumeState(key=plate.key, used=plate.serial)
    return found


def _with_mount(state: VolumeState, root: Path, table: Mapping[Path, Mount]) -> VolumeState:
    mount = table.get(root / state.key) if state.key else None
    if mount is None:
        return state
    return msgspec.structs.replace(state, users=state.users or {INHERITED: 0}, number=mount.number)
