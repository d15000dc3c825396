"""
Which names are volumes of ours: the swarm's list, kept on this node, so that it can be told without a controller.

What dockerd does with a name (moby, volume/service/store.go, `create` and `getVolume`): where a container names a
volume and no driver (an external volume, `docker run -v NAME:/path`), and Docker on this node has not met the name, it
asks Get of every enabled plugin. Any error, also one that means "I cannot tell now", counts as "not mine", and when
none says yes it makes a volume of the driver "local", without asking anybody. So only a yes keeps a container from
an empty local directory. Where Get says yes, Create is not called, and its options are not seen: a claim's are
compared by the controller, in the services' specs. Which driver has a name is stored on the node after a yes; a later
no makes Docker forget that, and begin anew. The same Get comes for every local volume that a `docker run` makes, also
for those without a name (64 hexadecimal digits): so a no must be quick. Scope "global" (volume/drivers/adapter.go)
changes nothing of this: it is only shown.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from controller.gate.state_file import KnownList, StateFile, StateUnwritable
from controller.protocol import messages
from controller.protocol.client import ControllerError, ControllerRefused, ControllerUnreachable, pause
from controller.volumes.naming import BadName, key_of, volume_key, volume_name

log = structlog.get_logger()

MADE_UP = re.compile(r"[0-9a-f]{64}")
NO_SOURCE = (
    "the volume has no name, so Docker made one up, and would make up another for each new container: name it in the "
    "mount (`source=NAME` of --mount, `source:` or `NAME:/path` in a stack file), or as the last word of "
    "`docker volume create`"
)
ASK_SECONDS = 5.0  # for a name that the list does not have, while no controller answers
INSPECT_SECONDS = 0.3
SHUN_SECONDS = 10.0
POLL_SECONDS = 20.0
RETRY_SECONDS = 2.0
UNKNOWN_SECONDS = 60.0  # between questions to a controller of a version that keeps no list
BELIEVED_SECONDS = 120.0  # for so long a list with a lower number may come from a leader that was deposed


@dataclass(frozen=True, slots=True)
class Known:
    """What Get and List tell about one volume."""

    name: str
    mountpoint: Path | None
    reason: str
    details: messages.Details | None = None
    usage: tuple[int, int] | None = None  # bytes used and available, where it is mounted


class Lister(Protocol):
    """Raises ControllerError."""

    async def names(self, known: messages.KnownNames) -> messages.Names: ...

    async def get(self, name: str) -> messages.Volume: ...

    async def inspect(self, name: str) -> messages.Details: ...


class Descriptions:
    """
    What is told about volumes beside their names.

    Docker asks for it at every start of a container, too: so a controller has an instant for it, and one that did not
    use it is left alone for a while.
    """

    def __init__(self, controller: Lister) -> None:
        self._controller = controller
        self._silent_until = 0.0

    async def of(self, name: str) -> messages.Details | None:
        clock = asyncio.get_running_loop().time
        if clock() < self._silent_until:
            return None
        try:
            async with asyncio.timeout(INSPECT_SECONDS):
                return await self._controller.inspect(name)
        except (ControllerUnreachable, TimeoutError):
            self._silent_until = clock() + SHUN_SECONDS
        except ControllerError:
            return None
        return None


class VolumeNames:
    def __init__(self, store: StateFile, controller: Lister) -> None:
        self._store = store
        self._controller = controller
        self._older_since: float | None = None

    @property
    def known(self) -> frozenset[str]:
        return self._store.now.created

    async def has(self, name: str) -> bool:
        """
        At once for a name that is known; else what a controller says, within `ASK_SECONDS`.

        A name that no controller could be asked about is none of ours: to claim it would break every local volume of
        the node while controllers are away. Raises StateUnwritable.
        """
        if name in self.known:
            return True
        if MADE_UP.fullmatch(name):
            return False
        checked = volume_name(name)
        if isinstance(checked, BadName):
            return False
        if volume_key(checked) in self._store.now.listed.unreadable:
            return True
        if not await self._asked(name):
            return False
        await self._store.add_name(name)
        return True

    async def _asked(self, name: str) -> bool:
        why = "no controller answered"
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                while True:
                    try:
                        await self._controller.get(name)
                    except ControllerRefused as error:
                        if not error.not_found:
                            log.warning("name.unknown", volume=name, why=error.why)
                        return False
                    except ControllerError as error:
                        why = error.why
                        await pause(1.0)
                    else:
                        return True
        log.warning("name.unknown", volume=name, why=f"it is in no list of this node, and {why}")
        return False

    async def forget_if_gone(self, name: str) -> None:
        """Removed on another node: forget the name, so that the next task's Docker creates it again."""
        try:
            await self._controller.get(name)
        except ControllerRefused as error:
            if error.not_found:
                await self._store.drop_name(name)
        except ControllerUnreachable:
            return

    async def run(self) -> None:
        """Keep the list, until cancelled."""
        told = ""
        while True:
            listed = self._store.now.listed
            try:
                found = await self._controller.names(messages.KnownNames(listed.epoch, listed.count, POLL_SECONDS))
                await self._take(found, listed)
            except (ControllerError, StateUnwritable) as error:
                if type(error).__name__ != told:
                    told = type(error).__name__
                    log.info("names.unheard", why=str(error))
                old = isinstance(error, ControllerRefused) and error.not_found
                await pause(UNKNOWN_SECONDS if old else RETRY_SECONDS)
            else:
                told = ""

    async def _take(self, found: messages.Names, asked: KnownList) -> None:
        if (found.epoch, found.count) == (asked.epoch, asked.count):
            self._older_since = None
            return
        if (found.epoch, found.count) < (asked.epoch, asked.count) and not self._outlasted():
            log.warning("names.older", epoch=found.epoch, known=asked.epoch, why="a list of an older leader")
            await pause(RETRY_SECONDS)
            return
        self._older_since = None
        names = frozenset(name for name in found.names if not isinstance(volume_name(name), BadName))
        unreadable = frozenset(found.unreadable)
        hidden = frozenset(name for name in self.known - names if key_of(name) in unreadable)
        await self._store.keep_list(names | hidden, KnownList(found.epoch, found.count, unreadable))
        log.info("names.told", epoch=found.epoch, count=found.count, volumes=len(names), why="the swarm's list changed")

    def _outlasted(self) -> bool:
        """
        Whether only lists with lower numbers were heard for so long that no deposed leader can have told all of them:
        the swarm was made anew, or came from a backup, and its epochs began again.
        """
        now = asyncio.get_running_loop().time()
        self._older_since = self._older_since if self._older_since is not None else now
        return now - self._older_since >= BELIEVED_SECONDS
