"""
The lab's driver: asks the machine host of a lab over HTTP. Its interface is docs/lab-host.md.

Each call has a connection of its own, so that "never sent" and "sent, no answer" can be told apart.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from controller.model import Attachment, BootId, Capabilities, DiskId, Epoch, Power, Spec, VmId, VolumeKey
from drivers.base import (
    Created,
    CreateOutcome,
    DeviceHint,
    Done,
    DriverError,
    InDoubt,
    Listing,
    Outcome,
    PowerEvent,
    Refused,
    Unreachable,
)
from drivers.guests import GuestAddresses

log = structlog.get_logger()
T = TypeVar("T")

CAPABILITIES = Capabilities(
    name="lab",
    detach_cuts_io=False,  # the nodes and the machine host share one kernel
    exclusive_attach=True,
    epoch_guard=True,
    max_disks_per_vm=64,
    shared=True,
    batch=True,
    clones=True,
)

_SILENCE = 15.0  # seconds; the event stream shows every 5 s that it lives
_BACKOFF = (0.2, 5.0)  # seconds between two attempts to listen: first, most


class LabSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/]+$")]
    """Of the machine host, without a path."""

    token_file: str
    """File with the machine host's token, such as a Docker secret."""

    connect_timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 3.0
    """Seconds to reach the machine host; after them a call counts as never sent."""

    snapshots: bool = False
    """Whether the lab's disks are on a file system that copies a file at one instant (xfs, btrfs)."""

    call_timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0
    """Seconds for a whole call; after them it is in doubt. A copy has as long as its caller waits."""


class Machine(msgspec.Struct, frozen=True):
    id: str
    name: str
    power: Literal["on", "off"]
    boot: str
    addresses: tuple[str, ...] = ()  # an older machine host tells none


class Held(msgspec.Struct, frozen=True):
    disk: str
    vm: str
    epoch: int


class Disk(msgspec.Struct, frozen=True):
    id: str
    size_bytes: int


class Answer(msgspec.Struct, frozen=True):
    disk: str
    outcome: Literal["done", "refused"]
    why: str = ""


class Happened(msgspec.Struct, frozen=True):
    vm: str
    event: str


class Problem(msgspec.Struct, frozen=True):
    why: str
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The machine host answered 200 with this."""

    body: bytes


class LabDriver:
    def __init__(self, settings: LabSettings, token: str) -> None:
        self._settings = settings
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    @property
    def capabilities(self) -> Capabilities:
        return replace(CAPABILITIES, snapshots=self._settings.snapshots)

    async def create(self, key: VolumeKey, spec: Spec) -> CreateOutcome:
        return await self._made(key, {"size_bytes": spec.size_bytes}, endless=False)

    async def clone(self, key: VolumeKey, spec: Spec, source: DiskId) -> CreateOutcome:
        return await self._made(key, {"size_bytes": spec.size_bytes, "copy_of": source}, endless=True)

    async def snapshot(self, key: VolumeKey, spec: Spec, source: DiskId, *, at_rest: bool = True) -> CreateOutcome:
        body = {"size_bytes": spec.size_bytes, "copy_of": source, "in_use": True, "at_rest": at_rest}
        return await self._made(key, body, endless=True)

    async def _made(self, key: VolumeKey, body: object, *, endless: bool) -> CreateOutcome:
        disk = _decoded(await self._call("PUT", f"/v1/disks/{quote(key, safe='')}", body, endless=endless), Disk)
        return Created(DiskId(disk.id)) if isinstance(disk, Disk) else disk

    async def keys(self, beginning: str) -> Sequence[VolumeKey]:
        found = sorted(disk.id for disk in await self._read("/v1/disks", list[Disk]))
        return [VolumeKey(key) for key in found if key.startswith(beginning)]

    async def grow(self, disk: DiskId, size_bytes: int) -> Outcome:
        answer = await self._call("POST", f"/v1/disks/{quote(disk, safe='')}/grow", {"size_bytes": size_bytes})
        return Done() if isinstance(answer, Answered) else answer

    async def delete(self, disk: DiskId) -> Outcome:
        answer = await self._call("DELETE", f"/v1/disks/{quote(disk, safe='')}")
        return Done() if isinstance(answer, Answered) else answer

    async def list_attachments(self) -> Listing:
        return Listing(
            tuple(
                Attachment(DiskId(held.disk), VmId(held.vm), epoch=Epoch(held.epoch))
                for held in await self._read("/v1/attachments", list[Held])
            )
        )

    async def attach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return await self._each("attach", disks, vm, epoch)

    async def detach(self, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        return await self._each("detach", disks, vm, epoch)

    async def device(self, disk: DiskId, vm: VmId) -> DeviceHint:  # noqa: ARG002 - the same name on every VM
        return DeviceHint((f"reberth-lab-{disk}",))

    async def power(self, vms: Sequence[VmId]) -> Mapping[VmId, Power]:
        machines = {machine.id: machine for machine in await self._read("/v1/vms", list[Machine])}
        return {vm: Power(machines[vm].power) if vm in machines else Power.UNKNOWN for vm in vms}

    async def boots(self, vms: Sequence[VmId]) -> Mapping[VmId, BootId]:
        running = {each.id: each.boot for each in await self._read("/v1/vms", list[Machine]) if each.power == "on"}
        return {vm: BootId(running[vm]) for vm in vms if running.get(vm)}

    async def addresses(self, vms: Sequence[VmId]) -> Mapping[VmId, GuestAddresses]:
        found = {each.id: each.addresses for each in await self._read("/v1/vms", list[Machine]) if each.power == "on"}
        return {vm: GuestAddresses(found[vm], whole=True) for vm in vms if found.get(vm)}

    async def power_off(self, vm: VmId) -> Power:
        # Whatever the call says, only what is read after it counts.
        outcome = await self._call("POST", f"/v1/vms/{quote(vm, safe='')}/power-off", {})
        try:
            power = (await self.power([vm]))[vm]
        except DriverError:
            power = Power.UNKNOWN
        if power is not Power.OFF:
            why = "it answered" if isinstance(outcome, Answered) else outcome.why
            log.warning("power_off.unsure", vm=vm, power=power.value, why=why)
        return power

    async def watch_power(self) -> AsyncIterator[PowerEvent]:
        pause, most = _BACKOFF
        while True:
            try:
                async with aclosing(self._listen()) as events:
                    async for event in events:
                        pause = _BACKOFF[0]
                        yield event
                why = "the stream ended"
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                why = _words(error)
            log.info("watch.lost", why=why, again_in=pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            pause = min(2 * pause, most)

    async def _listen(self) -> AsyncGenerator[PowerEvent, None]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout, sock_read=_SILENCE)
        async with self._open().get("/v1/events", timeout=timeout) as response:
            response.raise_for_status()
            yield PowerEvent(None)  # what happened while nobody listened is unknown
            async for line in response.content:
                event = msgspec.json.decode(line, type=Happened) if line.strip() else None
                if event is not None and event.event in {"power-off", "power-on"}:
                    yield PowerEvent(VmId(event.vm))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:  # needs the running loop, which the constructor may not have
            self._session = aiohttp.ClientSession(
                self._settings.url,
                headers=self._headers,
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
            )
        return self._session

    async def _each(self, act: str, disks: Sequence[DiskId], vm: VmId, epoch: Epoch) -> Sequence[Outcome]:
        if not disks:
            return []
        answer = await self._call("POST", f"/v1/vms/{quote(vm, safe='')}/{act}", {"disks": list(disks), "epoch": epoch})
        answers = _decoded(answer, list[Answer])
        if not isinstance(answers, list):
            return [answers for _ in disks]
        if [each.disk for each in answers] != list(disks):
            return [InDoubt("the machine host answered about other disks than were asked for") for _ in disks]
        return [Done() if each.outcome == "done" else Refused(each.why) for each in answers]

    async def _read(self, path: str, kind: type[T]) -> T:
        value = _decoded(await self._call("GET", path), kind)
        if isinstance(value, Refused | Unreachable | InDoubt):
            raise DriverError(value.why)
        return value

    async def _call(
        self, method: str, path: str, body: object = None, *, endless: bool = False
    ) -> Answered | Refused | Unreachable | InDoubt:
        timeout = aiohttp.ClientTimeout(
            total=None if endless else self._settings.connect_timeout + self._settings.call_timeout,
            sock_connect=self._settings.connect_timeout,
        )
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with self._open().request(method, path, data=data, timeout=timeout) as response:
                return _judged(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unreachable(f"the machine host at {self._settings.url} cannot be reached: {_words(error)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return InDoubt(f"no answer from the machine host at {self._settings.url}: {_words(error)}")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _judged(status: int, body: bytes) -> Answered | Refused | InDoubt:
    if status == 200:
        return Answered(body)
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        problem = Problem(f"it answered {status}")
    why = problem.why
    if status == 401:
        return Refused(f"the machine host does not know our token: {why}", cure="Check token_file.")
    if 400 <= status < 500:
        return Refused(f"the machine host refuses: {why}", cure=problem.cure)
    return InDoubt(f"the machine host failed in the middle: {why}")


def _decoded(answer: Answered | Refused | Unreachable | InDoubt, kind: type[T]) -> T | Refused | Unreachable | InDoubt:
    if not isinstance(answer, Answered):
        return answer
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        return InDoubt(f"the machine host's answer cannot be understood: {error}")


def create(settings: Mapping[str, object]) -> LabDriver:
    """Entry point ``reberth.drivers``. Raises msgspec.ValidationError, or OSError for the token's file."""
    given = msgspec.convert(settings, LabSettings)
    token = Path(given.token_file).read_text().strip()
    if not token:
        raise ValueError(f"the file {given.token_file} is empty: put the machine host's token there")
    return LabDriver(given, token)
