"""
Redfish over verified TLS: https://BMC/redfish/v1/Systems.

Basic authentication with each call: BMCs have few sessions, and a session that nobody ended blocks a person. A
document's UUID and its PowerState are read in one answer, so the state is that machine's and no other's. A status of
the reset (200, 202, 204, an error) is not looked at beyond the log: what PowerState says afterwards counts.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import weakref
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog

from controller.model import Power
from drivers.bmc import redfish_answers as answers
from drivers.bmc.base import Timing, check_vms, parse, read_secret
from drivers.bmc.driver import BmcDriver
from drivers.bmc.errors import Unread
from drivers.shared.settings import SettingsError

log = structlog.get_logger(__name__)
_MOST_BYTES = 1 << 20  # of one document
_TURNS = 100  # of the loop, until each transport has seen that its socket was ended


class MachineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: Annotated[str, msgspec.Meta(pattern=r"^https://[^/?#@\s]+/?$")]
    """Of the BMC: https and its name or address, as in its certificate."""

    vm: str | None = None
    """The machine's UUID, where the BMC does not tell it, or to have it checked; default: whatever the BMC tells."""

    system: Annotated[str, msgspec.Meta(pattern=r"^/redfish/v1/[!-~]+$")] | None = None
    """Path of its system, where a BMC has several and does not tell their UUIDs."""

    user_file: str | None = None
    password_file: str | None = None


class Settings(Timing, frozen=True, kw_only=True):
    """The section ``[power.redfish]``; a machine's own files come before the common ones."""

    machines: Annotated[list[MachineSettings], msgspec.Meta(min_length=1)]
    user_file: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    """Certificates that sign the BMCs' own; default: the system's."""


class Redfish:
    """One BMC."""

    def __init__(self, machine: MachineSettings, files: tuple[str, str], service: Service) -> None:
        self.name = urlsplit(machine.url).netloc
        self._base = machine.url.rstrip("/")
        self._wanted = answers.Wanted(machine.vm, machine.system)
        self._files = files
        self._service = service

    async def read(self) -> Mapping[str, Power]:
        return {uuid: answers.power(found) for uuid, (_, found) in (await self._systems()).items()}

    async def order_off(self, uuid: str) -> None:
        found = (await self._systems()).get(uuid)
        if found is None:
            raise Unread(f"it has no machine {uuid} any more")
        target = answers.reset_target(found[1])
        status, _ = await self._ask("POST", target, {"ResetType": answers.FORCE_OFF})
        log.info("power_off.ordered", bmc=self.name, vm=uuid, status=status, why="its node is to be fenced")

    async def _systems(self) -> Mapping[str, tuple[str, answers.System]]:
        named = self._wanted.system
        paths = [named] if named is not None else answers.members(await self._get(answers.SYSTEMS))
        return answers.named({each: answers.system(await self._get(each)) for each in paths}, self._wanted)

    async def _get(self, path: str) -> bytes:
        status, body = await self._ask("GET", path, None)
        if status == 401:
            raise Unread("it does not know this user and password: check user_file and password_file")
        if status != 200:
            raise Unread(f"it answers {status} to {path}")
        return body

    async def _ask(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        headers = {"Authorization": self._authorization(), "Accept": "application/json", "OData-Version": "4.0"}
        try:
            async with self._service.session.request(
                method, self._base + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                text = await response.content.read(_MOST_BYTES + 1)
                while len(text) <= _MOST_BYTES and (more := await response.content.read(_MOST_BYTES)):
                    text += more
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unread(f"its certificate is not trusted: {error.certificate_error}. Check ca_file and url") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unread(f"it cannot be reached: {str(error) or type(error).__name__}") from None
        if len(text) > _MOST_BYTES:
            raise Unread(f"its answer to {path} is longer than {_MOST_BYTES} bytes")
        return response.status, text

    def _authorization(self) -> str:
        try:
            user, password = (read_secret(each) for each in self._files)
        except (OSError, SettingsError) as error:
            raise Unread(f"its user or password cannot be read: {error}") from None
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Service:
    """
    What all BMCs share: one session, made in the loop that uses it, without connections that are kept.

    One that was given up says goodbye in TLS, and waits for the same from a BMC that is stuck for 30 s (asyncio's
    default); no session knows of it any more. So the sockets are made here, and ended with the service.
    """

    def __init__(self, ca_file: str | None) -> None:
        self._context = ssl.create_default_context(cafile=ca_file)
        self._session: aiohttp.ClientSession | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._context, force_close=True, socket_factory=self._socket)
            # The times are the driver's, around all of a look.
            self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        return self._session

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol = address[:3]
        made = socket.socket(family=family, type=kind, proto=protocol)
        self._sockets.add(made)
        return made

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        left = [each for each in self._sockets if each.fileno() != -1]
        for each in left:
            with contextlib.suppress(OSError):  # not connected, or not any more
                each.shutdown(socket.SHUT_RDWR)
        for _ in range(_TURNS):
            if all(each.fileno() == -1 for each in left):
                return
            await asyncio.sleep(0.01)


def create(raw: Mapping[str, object]) -> BmcDriver:
    settings = parse(raw, Settings)
    check_vms(each.vm for each in settings.machines if each.vm is not None)
    seen: set[tuple[str, str | None]] = set()
    for each in settings.machines:
        place = (each.url.rstrip("/").lower(), each.system if each.vm is None or each.system else each.vm)
        if place in seen:
            raise SettingsError(f"{each.url} is listed twice: give each its own system")
        seen.add(place)
    service = Service(settings.ca_file)
    return BmcDriver(
        [Redfish(each, _files(each, settings), service) for each in settings.machines], settings, service.close
    )


def _files(machine: MachineSettings, settings: Settings) -> tuple[str, str]:
    """Both are read once here, so that a wrong path is told at the start."""
    user, password = machine.user_file or settings.user_file, machine.password_file or settings.password_file
    if user is None or password is None:
        raise SettingsError(f"{machine.url}: user_file and password_file are needed, here or for all machines")
    read_secret(user)
    read_secret(password)
    return user, password
