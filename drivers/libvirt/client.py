"""
One hypervisor host, over libvirt. The only module that calls the library; everything here blocks.

Reading raises `NotSent` (no connection), `Doubt` (no answer) or `Fault` (its answer is an error).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import structlog

from controller.model import DiskId, Epoch, VmId
from drivers.libvirt.binding import load
from drivers.libvirt.domain import (
    HeldDisk,
    Pool,
    Seat,
    parse_pool,
    parse_side,
    parse_written,
    stamp_uri,
    stamp_xml,
    volume_xml,
)
from drivers.libvirt.faults import Doubt, Fault, Kind, NotSent, fault_from
from drivers.libvirt.settings import Settings

log = structlog.get_logger()
_MISSED = 3  # signs of life, after which a connection is dead


@dataclass(frozen=True, slots=True)
class HostView:
    """All of one host, in one look."""

    uri: str
    pool: Pool
    seats: tuple[Seat, ...]


@cache
def library() -> Any:
    """libvirt, with its event loop running in a thread: keep-alive and events need it before the first connection."""
    libvirt = load()
    libvirt.registerErrorHandler(lambda *_: None, None)  # else it prints every error to stderr
    libvirt.virEventRegisterDefaultImpl()

    def turn() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=turn, name="libvirt events", daemon=True).start()
    return libvirt


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """The library's errors as ours."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        raise fault_from(error.get_error_code(), error.get_error_domain(), str(error)) from None


def connect(uri: str, keepalive: int) -> Any:
    """A connection that notices when the other side is gone. Raises NotSent."""
    libvirt = library()
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise NotSent(f"{uri}: no connection: {' '.join(str(error).split())}") from None
    with contextlib.suppress(libvirt.libvirtError):  # a libvirtd of before 0.9.8 has no keep-alive
        connection.setKeepAlive(keepalive, _MISSED)
    return connection


class Host:
    def __init__(self, index: int, settings: Settings) -> None:
        self.index = index
        self.uri = settings.uris[index]
        self._settings = settings
        self._connection: Any = None
        self._opening = threading.Lock()
        self._closed = False
        self._folders: Mapping[str, str] = {}  # of all pools, at the last look: for disks named as volumes

    def look(self) -> HostView:
        connection = self._open()
        with ours():
            pools = {each.name: each for each in map(_pool, connection.listAllStoragePools(0))}
            if self._settings.pool not in pools:
                raise Fault(
                    Kind.NO_POOL,
                    f"{self.uri} has no storage pool {self._settings.pool}: define it there "
                    f"(`virsh pool-define-as {self._settings.pool} dir --target FOLDER`)",
                )
            pool = pools[self._settings.pool]
            self._folders = {each.name: each.path for each in pools.values()}
            seats = [self._seat(each) for each in connection.listAllDomains(0)]
        return HostView(self.uri, pool, tuple(seat for seat in seats if seat is not None))

    def running(self) -> Mapping[VmId, bool]:
        """Whether each VM runs (also: is paused, or crashed and kept)."""
        connection = self._open()
        found: dict[VmId, bool] = {}
        with ours():
            for domain in connection.listAllDomains(0):
                with _still_there():
                    found[VmId(domain.UUIDString().lower())] = domain.isActive() == 1
        return found

    def seat(self, vm: VmId) -> Seat:
        """One VM, afresh. Raises Fault of kind NO_DOMAIN."""
        connection = self._open()
        with ours():
            seat = self._seat(connection.lookupByUUIDString(vm))
        if seat is None:
            raise Fault(Kind.NO_DOMAIN, f"there is no VM {vm} on {self.uri} any more")
        return seat

    def _seat(self, domain: Any) -> Seat | None:
        """None when the VM is gone since it was listed."""
        with _still_there():
            vm = VmId(domain.UUIDString().lower())
            try:
                live = parse_side(domain.XMLDesc(0), vm, self._folders) if domain.isActive() else None
                kept = parse_side(domain.XMLDesc(2), vm, self._folders) if domain.isPersistent() else None
            except (ET.ParseError, ValueError) as error:
                raise Fault(
                    Kind.OTHER, f"{self.uri}: the XML of {domain.name()} cannot be understood: {error}"
                ) from None
            return Seat(self.index, vm, domain.name(), live, kept)
        return None

    def stamp(self, seat: Seat, epoch: Epoch, unit: int) -> None:
        """
        Each epoch has an element of its own: so a late stamp of an older one can never undo a newer one.

        Older elements are removed after that; nothing depends on it.
        """
        domain, flags = self._domain(seat.vm), _flags(seat)
        with ours():
            domain.setMetadata(2, stamp_xml(seat.vm, unit), f"reberth{epoch}", stamp_uri(epoch), flags)
            for older in {each for side in seat.sides for each in side.stamps if each < epoch}:
                with contextlib.suppress(library().libvirtError):
                    domain.setMetadata(2, None, None, stamp_uri(older), flags)

    def attach(self, seat: Seat, xml: str) -> None:
        """Live and persistent in one job of libvirt: a refused live attach leaves the configuration as it was."""
        domain = self._domain(seat.vm)
        with ours():
            domain.attachDeviceFlags(xml, _flags(seat))

    def detach(self, seat: Seat, live: HeldDisk | None, kept: HeldDisk | None) -> None:
        """Ask for it; the live part ends later. By the attachment's own name, so no later one can be hit."""
        domain = self._domain(seat.vm)
        with ours():
            if live is not None and kept is not None and live.alias == kept.alias and live.alias:
                domain.detachDeviceAlias(live.alias, 3)
                return
            if live is not None:
                domain.detachDeviceAlias(live.alias, 1)
            if kept is not None:
                domain.detachDeviceFlags(_plain_xml(kept), 2)

    def destroy(self, vm: VmId) -> None:
        domain = self._domain(vm)
        with ours():
            domain.destroyFlags(0)

    def create(self, name: str, size_bytes: int, extension: str) -> int:
        """The size of the disk of this name, which is made if there is none."""
        connection = self._open()
        with ours():
            pool = connection.storagePoolLookupByName(self._settings.pool)
            if not pool.isActive():
                raise Fault(Kind.STATE, f"the pool {pool.name()} is not started: `virsh pool-start {pool.name()}`")
            pool.refresh(0)  # a file that somebody put there since must not be overwritten
            try:
                volume = pool.storageVolLookupByName(name)
            except library().libvirtError as error:
                if error.get_error_code() != 50:
                    raise
                volume = pool.createXML(volume_xml(name, size_bytes, extension), 0)
            return int(volume.info()[1])

    def copy(self, source: str, name: str, size_bytes: int, extension: str) -> None:
        """Make a file of the pool from another one; returns when it is whole. Refused while the name is taken."""
        connection = self._open()
        with ours():
            pool = connection.storagePoolLookupByName(self._settings.pool)
            pool.createXMLFrom(volume_xml(name, size_bytes, extension), pool.storageVolLookupByName(source), 0)

    def written(self, name: str) -> str:
        """When a file of the pool was last written to."""
        connection = self._open()
        with ours():
            pool = connection.storagePoolLookupByName(self._settings.pool)
            return parse_written(pool.storageVolLookupByName(name).XMLDesc(0))

    def files(self) -> list[str]:
        """Names of all files in the pool."""
        connection = self._open()
        with ours():
            pool = connection.storagePoolLookupByName(self._settings.pool)
            pool.refresh(0)
            return [str(each.name()) for each in pool.listAllVolumes(0)]

    def delete(self, disk: DiskId) -> None:
        """Raises Fault of kind NO_VOLUME."""
        connection = self._open()
        with ours():
            pool = connection.storagePoolLookupByName(self._settings.pool)
            pool.refresh(0)
            pool.storageVolLookupByName(disk.rsplit("/", 1)[-1]).delete(0)

    def close(self) -> None:
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(library().libvirtError):
                connection.close()

    def _domain(self, vm: VmId) -> Any:
        connection = self._open()
        with ours():
            return connection.lookupByUUIDString(vm)

    def _open(self) -> Any:
        if not self._opening.acquire(timeout=self._settings.look_timeout):
            raise NotSent(f"{self.uri}: still connecting")
        try:
            if self._closed:
                raise NotSent(f"{self.uri}: the driver is closed")
            if self._connection is not None and self._alive():
                return self._connection
            self._connection = connect(self.uri, self._settings.keepalive)
            return self._connection
        finally:
            self._opening.release()

    def _alive(self) -> bool:
        try:
            return bool(self._connection.isAlive() == 1)
        except library().libvirtError:
            return False


class Watch:
    """One connection for events of VMs. ``poke`` is called in the library's thread."""

    def __init__(self, uri: str, keepalive: int, poke: Callable[[VmId | None], None]) -> None:
        libvirt = library()
        self.lost = threading.Event()
        self._connection = connect(uri, keepalive)
        self._ids: list[int] = []

        def told(_connection: Any, domain: Any, *_: object) -> None:
            poke(VmId(domain.UUIDString().lower()))

        try:
            with ours():
                self._connection.registerCloseCallback(lambda *_: self.lost.set(), None)
                self._ids = [
                    self._connection.domainEventRegisterAny(None, event, told, None)
                    for event in (
                        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
                        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                    )
                ]
        except (Fault, Doubt):
            self.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(library().libvirtError):
            for each in self._ids:
                self._connection.domainEventDeregisterAny(each)
            self._connection.unregisterCloseCallback()
        with contextlib.suppress(library().libvirtError):
            self._connection.close()


@contextlib.contextmanager
def _still_there() -> Iterator[None]:
    """Whatever is inside is skipped for a VM that is gone meanwhile."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != 42:
            raise


def _pool(pool: Any) -> Pool:
    return parse_pool(pool.XMLDesc(0), bool(pool.isActive()))


def _flags(seat: Seat) -> int:
    """Live, persistent or both: where the VM has a configuration."""
    return (1 if seat.live is not None else 0) | (2 if seat.kept is not None else 0)


def _plain_xml(disk: HeldDisk) -> str:
    """Enough to find a disk of the persistent configuration that was put there by hand, without a name of ours."""
    root = ET.Element("disk", {"type": "file", "device": "disk"})
    if disk.files:
        ET.SubElement(root, "source", {"file": disk.files[0]})
    ET.SubElement(root, "target", {"dev": disk.target, "bus": disk.bus})
    return ET.tostring(root, encoding="unicode")
