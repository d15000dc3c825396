"""
Compare-and-set on Swarm Configs.

A Config's labels are updated by compare-and-set on its version (``POST /configs/{id}/update?version=N``); Swarm refuses
an older N with "update out of sequence", and has no answer without a quorum. Seen with dockerd 20.10.24 and 26.1.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import aiodocker
import aiohttp
import msgspec
import structlog

from controller.docker_http import read
from controller.json_errors import NOT_JSON
from controller.records.base import RecordsUnavailable, Stale
from controller.records.codec import KIND_LABEL, STATE_LABEL, Content, Kind, Stored
from controller.records.keepers import Keepers, to_write
from controller.unchanged import Remembered

DEADLINE = 5.0  # seconds for one operation: Swarm holds calls while it elects a leader; then looking again is better

_OUT_OF_SEQUENCE = "update out of sequence"  # the only sign of a lost compare-and-set; its status is 500
_IN_USE = "is in use by the following service"
_CONFLICT, _NOT_FOUND, _UNAVAILABLE = 409, 404, 503

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class _Lost(Exception):
    """Somebody else wrote first; becomes Stale at the border."""


class _Absent(Exception):
    """There is no such config."""


class _Docker(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    pass


class _Version(_Docker, frozen=True):
    index: int


class _Spec(_Docker, frozen=True):
    name: str
    labels: Mapping[str, str] | None = None
    data: bytes | None = None  # msgspec undoes the base64


class _Config(_Docker, frozen=True):
    id: str = msgspec.field(name="ID")
    version: _Version
    spec: _Spec


def _decoded(answer: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=form)
    except NOT_JSON as error:
        raise RecordsUnavailable(f"Docker's answer to /configs has an unknown form: {error}") from error


_BY_OTHERS = "what names it was changed or removed by somebody else in the same moment"


class Configs:
    """Compare-and-set on Swarm Configs. All methods raise RecordsUnavailable, also for a write in doubt."""

    def __init__(self, docker: aiodocker.Docker, deadline: float) -> None:
        self._docker = docker
        self._deadline = deadline
        self._keepers = Keepers(docker)
        self._keeping = asyncio.Lock()  # a keeper names many records: two changes of one at once would be in conflict
        self._lists: dict[Kind, Remembered[tuple[Stored, ...]]] = {}
        self._known: dict[str, Stored] = {}  # by name: updates need the ID, and this saves a look before each

    async def list(self, kind: Kind) -> tuple[Stored, ...]:
        """The very same tuple while Docker answers the same bytes."""
        async with self._call(f"list records of kind {kind.value}"):
            answer = await read(self._docker, "configs", {"label": [f"{KIND_LABEL}={kind.value}"]})
        return self._lists.setdefault(kind, Remembered(self._listed))(answer)

    def _listed(self, answer: bytes) -> tuple[Stored, ...]:
        return tuple(self._stored(config) for config in _decoded(answer, list[_Config]))

    async def find(self, name: str) -> Stored | None:
        try:
            async with self._call(f"read {name}"):
                return await self._inspect(name)
        except _Absent:
            return None

    async def put(self, name: str, kind: Kind, content: Content, version: int) -> Stored | Stale:
        """Create (version 0) or compare-and-set."""
        try:
            async with self._call(f"write {name}"):
                if version == 0:
                    return await self._create(name, kind, content)
                return await self._replace(name, kind, content, version)
        except (_Lost, _Absent):
            self._known.pop(name, None)
            return Stale(f"{name} was written or removed by another controller")

    async def remove(self, name: str, version: int | None) -> None:
        """
        Nothing when it is gone, or changed since ``version``.

        Swarm compares no version here; the ID makes sure that a record made anew under the same name survives.
        """
        try:
            async with self._call(f"remove {name}"):
                found = await self._inspect(name)
                if version is not None and found.version != version:
                    _log.info("record.kept", config=name, why="it changed since it was read for removal")
                    return
                await self._delete(found.id)
        except _Absent:
            pass
        except _Lost as error:
            raise RecordsUnavailable(f"cannot remove {name}: {_BY_OTHERS}") from error
        self._known.pop(name, None)

    async def keep(self) -> None:
        """Every record is named by a service, so that nobody removes it by sweeping up: see `keepers`."""
        what = "keep the records from being swept away"
        try:
            async with self._call(what), self._keeping:
                answer = await read(self._docker, "configs", {"label": [KIND_LABEL]})
                wanted = {each.id: each.spec.name for each in _decoded(answer, list[_Config])}
                for keeper in to_write(await self._keepers.list(), wanted):
                    await self._keepers.write(keeper)
        except (_Lost, _Absent) as error:
            raise RecordsUnavailable(f"cannot {what}: {_BY_OTHERS}") from error

    async def _delete(self, config: str) -> None:
        try:
            await self._docker.configs.delete(config)
        except aiodocker.DockerError as error:
            if _IN_USE not in error.message:
                raise
            async with self._keeping:
                await self._keepers.let_go(config)
            await self._docker.configs.delete(config)

    async def _create(self, name: str, kind: Kind, content: Content) -> Stored:
        made = await self._docker.configs.create(name, content.facts.decode(), labels=_labels(kind, content))
        return await self._read_back(made["ID"], content)

    async def _replace(self, name: str, kind: Kind, content: Content, version: int) -> Stored:
        found = self._known.get(name)
        if found is None or found.facts != content.facts:
            found = await self._inspect(name)
            if found.version != version:
                raise _Lost
        if found.facts != content.facts:
            raise ValueError(f"what {name} is about never changes, but this was to be written: {content.facts!r}")
        # aiodocker fetches the config and sends its name and data back with our labels, under our version.
        await self._docker.configs.update(found.id, str(version), labels=_labels(kind, content))
        return await self._read_back(found.id, content)

    async def _read_back(self, config_id: str, content: Content) -> Stored:
        """The answer to a write does not tell the new version. A version read with other content is not ours."""
        found = await self._inspect(config_id)
        if found.state != content.state:
            raise RecordsUnavailable(f"{found.name} was written, and changed again by somebody else before it was read")
        return found

    async def _inspect(self, name: str) -> Stored:
        return self._stored(msgspec.convert(await self._docker.configs.inspect(name), _Config))

    def _stored(self, config: _Config) -> Stored:
        stored = Stored(
            id=config.id,
            name=config.spec.name,
            facts=config.spec.data or b"",
            state=(config.spec.labels or {}).get(STATE_LABEL, "").encode(),
            version=config.version.index,
        )
        self._known[stored.name] = stored
        return stored

    @asynccontextmanager
    async def _call(self, what: str) -> AsyncIterator[None]:
        """Turns what Docker and the network say into Stale's marks or RecordsUnavailable."""
        try:
            async with asyncio.timeout(self._deadline):
                yield
        except aiodocker.DockerError as error:
            if error.status == _NOT_FOUND:
                raise _Absent from error
            if error.status == _CONFLICT or _OUT_OF_SEQUENCE in error.message:
                raise _Lost from error
            raise RecordsUnavailable(f"cannot {what}: {_why(error)}") from error
        except TimeoutError as error:
            raise RecordsUnavailable(
                f"cannot {what}: no answer from Docker within {self._deadline:g} s; it may still happen"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise RecordsUnavailable(f"cannot {what}: the connection to Docker broke ({error})") from error


def _labels(kind: Kind, content: Content) -> dict[str, str]:
    return {KIND_LABEL: kind.value, STATE_LABEL: content.state.decode()}


def _why(error: aiodocker.DockerError) -> str:
    text = error.message.removeprefix("rpc error: code = ")
    if error.status != _UNAVAILABLE:
        return text
    return f"{text} (the swarm has no quorum at the moment, or this node is no manager)"
