"""
One hypervisor host. Everything here blocks.

Reading raises `NotSent` (no connection), `Doubt` (no answer) or `Fault` (its answer is an error).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import structlog

from controller.model import Epoch, VmId
from drivers.libvirt.client.library import connect, library, ours, still_there
from drivers.libvirt.client.pool_files import PoolFiles
from drivers.libvirt.devices import plain_xml, stamp_xml
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import HeldDisk, HostView, Pool, Seat, ceph_pool, parse_pool, parse_side, stamp_uri
from drivers.libvirt.settings import Settings
from drivers.libvirt.standing import Standing, standing
from drivers.shared.faults import NotSent

log = structlog.get_logger()


class Host:
    def __init__(self, index: int, settings: Settings) -> None:
        self.index = index
        self.uri = settings.uris[index]
        self._settings = settings
        self._connection: Any = None
        self._opening = threading.Lock()
        self._closed = False
        self.files = PoolFiles(self._open, settings.pool)
        self._folders: Mapping[str, str] = {}  # of all pools, at the last look: for disks named as volumes

    def look(self) -> HostView:
        connection = self._open()
        with ours():
            pools = {each.name: each for each in map(_pool, connection.listAllStoragePools(0))}
            pool = self._chosen(pools)
            self._folders = {each.name: each.path for each in pools.values()}
            seats = [self._seat(each) for each in connection.listAllDomains(0)]
        return HostView(self.uri, pool, tuple(seat for seat in seats if seat is not None))

    def _chosen(self, pools: Mapping[str, Pool]) -> Pool:
        if self._settings.rbd is not None:
            return ceph_pool(self._settings.rbd.pool)
        if self._settings.pool not in pools:
            raise Fault(
                Kind.NO_POOL,
                f"{self.uri} has no storage pool {self._settings.pool}: define it there "
                f"(`virsh pool-define-as {self._settings.pool} dir --target FOLDER`)",
            )
        return pools[self._settings.pool]

    def standings(self) -> Mapping[VmId, Standing]:
        connection = self._open()
        found: dict[VmId, Standing] = {}
        with ours():
            for domain in connection.listAllDomains(0):
                with still_there():
                    found[_id(domain)] = _standing(domain)
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
        with still_there():
            vm, name, stands = _id(domain), str(domain.name()), _standing(domain)
            try:
                live = parse_side(domain.XMLDesc(0), vm, self._folders) if domain.isActive() else None
                kept = parse_side(domain.XMLDesc(2), vm, self._folders) if domain.isPersistent() else None
                image = domain.managedSaveGetXMLDesc(0) if stands is Standing.SAVED else None
                saved = None if image is None else parse_side(image, vm, self._folders)
            except (ET.ParseError, ValueError) as error:
                why = f"{self.uri}: the XML of {name} cannot be understood: {error}"
                return Seat(self.index, vm, name, None, None, standing=stands, unread=why)
            return Seat(self.index, vm, name, live, kept, saved, stands)
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
                domain.detachDeviceFlags(plain_xml(kept), 2)

    def resize(self, vm: VmId, target: str, size_bytes: int) -> None:
        """A disk of a running VM; its guest is told. VIR_DOMAIN_BLOCK_RESIZE_BYTES."""
        domain = self._domain(vm)
        with ours():
            domain.blockResize(target, size_bytes, 1)

    def shown_bytes(self, vm: VmId, target: str) -> int:
        """As large as a running VM sees its disk."""
        domain = self._domain(vm)
        with ours():
            return int(domain.blockInfo(target, 0)[0])

    def destroy(self, vm: VmId) -> None:
        domain = self._domain(vm)
        with ours():
            domain.destroyFlags(0)

    def discard(self, vm: VmId) -> None:
        """
        Throw a saved VM's memory away, so that it can only boot anew.

        libvirt goes on calling it saved when the image is gone; so it is started without it, halted before its first
        instruction (VIR_DOMAIN_START_PAUSED and _FORCE_BOOT), and destroyed.
        """
        domain = self._domain(vm)
        with ours():
            domain.createWithFlags(1 | 8)
            domain.destroyFlags(0)

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


def _id(domain: Any) -> VmId:
    return VmId(domain.UUIDString().lower())


def _standing(domain: Any) -> Standing:
    state, reason = domain.state(0)[:2]
    return standing(state, reason, image=domain.hasManagedSaveImage(0) == 1)


def _pool(pool: Any) -> Pool:
    return parse_pool(pool.XMLDesc(0), bool(pool.isActive()))


def _flags(seat: Seat) -> int:
    """Live, persistent or both: where the VM has a configuration."""
    return (1 if seat.live is not None else 0) | (2 if seat.kept is not None else 0)
