"""The few calls to this node's own Docker that the node service needs. The Docker library we use knows no plugins."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Annotated, Self, TypeVar

import aiohttp
import msgspec

from controller.node.plugin_config import CONTENT, DRIVER_NAMES, REFERENCE, Installed

_T = TypeVar("_T")

CALL_SECONDS = 60.0
CREATE_SECONDS = 600.0  # a slow disk, and a tar of some 100 MB
# Docker goes on with an enable that nobody waits for any more, and the next one fails on what that one made.
ENABLE_SECONDS = 300.0
STOP_SECONDS = 30  # what a container gets to end by itself


class EngineError(Exception):
    """Docker on this node did not do what was asked. The text says what and why."""


class Manager(msgspec.Struct, rename="pascal", frozen=True):
    addr: str = ""  # host:port


class Swarm(msgspec.Struct, rename="pascal", frozen=True):
    node_addr: str = ""
    remote_managers: list[Manager] | None = None


class Info(msgspec.Struct, rename="pascal", frozen=True):
    name: str
    docker_root_dir: str
    server_version: str = ""
    kernel_version: str = ""
    live_restore_enabled: bool = False
    security_options: list[str] | None = None
    swarm: Swarm = Swarm()

    @property
    def other_managers(self) -> list[str]:
        """Addresses of the swarm's managers but for this node's own."""
        found = ((each.addr.rpartition(":")[0] or each.addr).strip("[]") for each in self.swarm.remote_managers or ())
        return sorted({each for each in found if each and each != self.swarm.node_addr})


class _Volume(msgspec.Struct, rename="pascal", frozen=True):
    name: str


class _Volumes(msgspec.Struct, rename="pascal", frozen=True):
    volumes: list[_Volume] | None = None


class _Settings(msgspec.Struct, rename="pascal", frozen=True):
    env: list[str] | None = None


class _Plugin(msgspec.Struct, rename="pascal", frozen=True):
    enabled: bool
    settings: _Settings


class _Mount(msgspec.Struct, rename="pascal", frozen=True):
    driver: str = ""


class _Container(msgspec.Struct, rename="pascal", frozen=True):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    names: list[str]
    mounts: list[_Mount] | None = None


class _Made(msgspec.Struct, rename="pascal", frozen=True):
    image: Annotated[str, msgspec.Meta(min_length=1)]


class User(msgspec.Struct, frozen=True):
    """A container that runs and has a volume of ours."""

    id: str
    name: str


class Engine:
    """Talks to the node's dockerd. Every call ends after a fixed time; every failure is an EngineError."""

    def __init__(self, socket: str = "/var/run/docker.sock") -> None:
        self._socket = socket
        self._session = aiohttp.ClientSession("http://docker", connector=aiohttp.UnixConnector(socket))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._session.close()

    async def info(self) -> Info:
        return _decoded(await self._call("GET", "/info"), Info)

    async def image_of(self, container: str) -> str | None:
        """The ID of the image that a container was made from; None when this Docker has no such container."""
        answer = await self._call("GET", f"/containers/{container}/json", absent_is_none=True)
        return None if answer is None else _decoded(answer, _Made).image

    async def local_volumes(self) -> tuple[str, ...]:
        """Names of the volumes of Docker's own driver."""
        filters = json.dumps({"driver": ["local"]})
        found = _decoded(await self._call("GET", "/volumes", {"filters": filters}), _Volumes)
        return tuple(volume.name for volume in found.volumes or ())

    async def installed(self) -> Installed | None:
        """The gate as it is; None when there is none."""
        answer = await self._call("GET", f"/plugins/{REFERENCE}/json", absent_is_none=True)
        if answer is None:
            return None
        plugin = _decoded(answer, _Plugin)
        values = dict(pair.partition("=")[::2] for pair in plugin.settings.env or ())
        return Installed(plugin.enabled, values.get(CONTENT, ""))

    async def users(self) -> tuple[User, ...]:
        # "created" is no sign of use: a container whose start failed stays so until Swarm tidies up.
        containers = _decoded(await self._call("GET", "/containers/json"), list[_Container])
        return tuple(
            User(container.id, (container.names or [container.id])[0].lstrip("/"))
            for container in containers
            if any(mount.driver in DRIVER_NAMES for mount in container.mounts or ())
        )

    async def create(self, archive: AsyncIterator[bytes]) -> None:
        await self._call("POST", "/plugins/create", {"name": REFERENCE}, archive, CREATE_SECONDS)

    async def enable(self) -> None:
        # Docker's own limit for one call of a volume is 120 s; with less here a Mount could not wait for its disk.
        await self._call("POST", f"/plugins/{REFERENCE}/enable", {"timeout": "150"}, seconds=ENABLE_SECONDS)

    async def disable(self) -> None:
        """By force: Docker counts a volume that it merely remembers as a use. The caller has looked for real ones."""
        await self._call("POST", f"/plugins/{REFERENCE}/disable", {"force": "1"})

    async def remove(self) -> None:
        await self._call("DELETE", f"/plugins/{REFERENCE}", {"force": "1"})

    async def stop(self, container: str) -> None:
        seconds = CALL_SECONDS + STOP_SECONDS
        await self._call("POST", f"/containers/{container}/stop", {"t": str(STOP_SECONDS)}, seconds=seconds)

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: AsyncIterator[bytes] | None = None,
        seconds: float = CALL_SECONDS,
        *,
        absent_is_none: bool = False,
    ) -> bytes | None:
        headers = {"Content-Type": "application/x-tar"} if body is not None else None
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(
                method, path, params=query, data=body, headers=headers, timeout=timeout
            ) as answer:
                data = await answer.read()
                if answer.status == 404 and absent_is_none:
                    return None
                if answer.status >= 400:
                    raise EngineError(f"Docker refused {method} {path}: {_message(data)}")
                return data
        except TimeoutError as error:
            raise EngineError(f"Docker did not answer {method} {path} within {seconds:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(f"Docker cannot be reached at {self._socket} ({method} {path}): {error}") from error


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode(errors="replace").strip()[:500]


def _decoded(data: bytes | None, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data or b"", type=kind)
    except msgspec.DecodeError as error:
        raise EngineError(f"Docker's answer is not as expected: {error}") from error
