"""After a start of the gate: what its file says and what the kernel's mount table shows, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from controller.gate.kernel.host import Host
from controller.gate.kernel.mount_table import Mount
from controller.gate.kernel.subprocesses import Stalled
from controller.gate.state_file import INHERITED, StateFile, VolumeState
from controller.gate.volume_table import VolumeTable

log = structlog.get_logger()

SCAN_SECONDS = 10.0
REPEAT_SECONDS = 60.0  # dockerd tries a call to a plugin that went away again for 30 s (moby, pkg/plugins/client.go)
UNSEEN = "the gate has just started, and has not looked yet whether a container still holds the disk {}"


async def rebuild(volumes: VolumeTable, store: StateFile, host: Host, boot: str) -> None:
    """
    Raises StateUnwritable, OSError.

    A disk that was in use and is not in the mount table counts as held until somebody looked (`UnmountJob.check`):
    dockerd unmounts what is the plugin's when it stops it, and the containers go on.
    """
    table = host.mounted()
    known = _of_this_boot(store, boot)
    plates, nameless = await _nameplates(host, table, {volumes.root / one.key for one in known.values() if one.key})
    known.update(plates)
    found = {name: _with_mount(one, volumes.root, table) for name, one in known.items()}
    numbers = {one.number for one in (*found.values(), *nameless.values()) if one.number is not None}
    strays = await _strays(host, store.now.boot, boot, numbers)
    store.nameless = nameless
    await store.rebuild(boot, found)
    volumes.observe(table)
    for volume in volumes:
        volume.inherit(asyncio.get_running_loop().time())
        volume.repeats.may_come_again(volume.users, REPEAT_SECONDS)
        volume.traced = volume.stored.number is not None
        if volume.mount is None and volume.traced:
            volume.hold(UNSEEN.format(volume.stored.number))
    volumes.are_in_use(strays)


async def _strays(host: Host, before: str, boot: str, known: set[str]) -> frozenset[str]:
    """
    ``before``: the boot that the file knows; empty without a file. With the kernel of another boot its mounts went.

    Raises OSError if a disk does not answer and nothing is remembered of this boot: it might be the one.
    """
    if before not in {"", boot}:
        return frozenset()
    try:
        async with asyncio.timeout(SCAN_SECONDS):
            return await host.labelled_in_use() - known
    except (TimeoutError, Stalled) as error:
        if before == boot:
            return frozenset()
        raise OSError(
            f"it remembers nothing of this boot, and a disk of this node did not answer within {SCAN_SECONDS:.0f} s: "
            "whether a container has it cannot be told"
        ) from error


def _of_this_boot(store: StateFile, boot: str) -> dict[str, VolumeState]:
    """Of another boot nothing counts: mounts went with its kernel, grants name their boot, epochs may begin anew."""
    return dict(store.now.volumes) if store.now.boot == boot else {}


async def _nameplates(
    host: Host, table: Mapping[Path, Mount], known: set[Path]
) -> tuple[dict[str, VolumeState], dict[str, VolumeState]]:
    """
    What is mounted and not remembered tells by itself which volume it is.

    Second, by key, what does not, or names one that would be mounted elsewhere: it concerns the volume whose place it
    is in, whenever somebody says that one's name, and no other.
    """
    found, nameless = {}, {}
    for path in set(table) - known:
        try:
            plate = await host.nameplate(path)
        except Stalled as stalled:
            raise OSError(
                f"it remembers nothing of what is mounted at {path}, and cannot read it: {stalled}"
            ) from stalled
        if plate is not None:
            found[plate.name] = VolumeState(key=plate.key, used=plate.serial, read_only=None)
            continue
        why = f"{path} is mounted, and its disk names another volume as its own, or none"
        log.error("mount.unknown", why=why)
        state = VolumeState(key=path.name, users={INHERITED: 0}, number=table[path].number, read_only=None)
        nameless[path.name] = state
    return found, nameless


def _with_mount(state: VolumeState, root: Path, table: Mapping[Path, Mount]) -> VolumeState:
    mount = table.get(root / state.key) if state.key else None
    if mount is None:
        return state
    return msgspec.structs.replace(state, users=state.users or {INHERITED: 0}, number=mount.number)
