"""
One hypervisor host. Everything here blocks.

Reading raises `NotSent` (no connection), `Doubt` (no answer) or `Fault` (its answer is an error).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import structlog

from controller.model import Epoch, VmId
from drivers.guests import GuestAddresses
from drivers.libvirt.client.closing import Closing
from drivers.libvirt.client.library import Connection, library, ours, still_there
from drivers.libvirt.client.pool_files import PoolFiles
from drivers.libvirt.devices import backup_xml, backups_of, plain_xml, stamp_xml
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import HeldDisk, Seat, parse_side, stamp_uri
from drivers.libvirt.looking.addresses import Told, cards, of_agent, of_networks
from drivers.libvirt.looking.pools import Pool, parse_pool
from drivers.libvirt.settings import Settings
from drivers.libvirt.standing import Standing, standing

log = structlog.get_logger()
_NO_BACKUP = {3, 55, 84, 104}  # VIR_ERR_NO_SUPPORT, _OPERATION_INVALID, _OPERATION_UNSUPPORTED, _NO_DOMAIN_BACKUP


class Host:
    def __init__(self, index: int, settings: Settings) -> None:
        self.index = index
        self.uri = settings.uris[index]
        self._connection = self._new(settings)
        # Apart: while a call waits, others on its connection may be sent up to a keepalive later (libvirt 9.0).
        self._readers = {name: self._new(settings) for name in settings.pool_names}
        self._makers = {name: self._new(settings) for name in settings.pool_names}
        self._closing = Closing()
        self._guests = self._new(settings)  # an agent that hangs is waited for
        self.files = {name: PoolFiles(each.open, name) for name, each in self._makers.items()}

    def _new(self, settings: Settings) -> Connection:
        return Connection(self.uri, settings.keepalive, settings.look_timeout)

    def look(self) -> Sequence[Seat]:
        connection = self._open()
        with ours():
            seats = [self._seat(each) for each in connection.listAllDomains(0)]
        return [seat for seat in seats if seat is not None]

    def pool(self, name: str) -> Pool:
        """Raises Fault of kind NO_POOL."""
        connection = self._readers[name].open()
        try:
            with ours():
                found = connection.storagePoolLookupByName(name)
                return parse_pool(found.XMLDesc(0), bool(found.isActive()))
        except ET.ParseError as error:
            raise Fault(Kind.OTHER, f"{self.uri}: the XML of the pool {name} cannot be understood: {error}") from None
        except Fault as fault:
            if fault.kind is not Kind.NO_POOL:
                raise
            how = f"`virsh pool-define-as {name} dir --target FOLDER`"
            raise Fault(Kind.NO_POOL, f"{self.uri} has no storage pool {name}: define it there ({how})") from None

    def _folder(self, name: str) -> str:
        """Of any pool of this host's, for a disk that is named as a volume."""
        try:
            return parse_pool(self._open().storagePoolLookupByName(name).XMLDesc(0), active=True).path
        except library().libvirtError as error:
            if error.get_error_code() != 49:
                raise
            return f"/unknown pool {name}"

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
                live = parse_side(domain.XMLDesc(0), vm, self._folder) if domain.isActive() else None
                kept = parse_side(domain.XMLDesc(2), vm, self._folder) if domain.isPersistent() else None
                image = domain.managedSaveGetXMLDesc(0) if stands is Standing.SAVED else None
                saved = None if image is None else parse_side(image, vm, self._folder)
            except (ET.ParseError, ValueError) as error:
                why = f"{self.uri}: the XML of {name} cannot be understood: {error}"
                return Seat(self.index, vm, name, None, None, standing=stands, unread=why)
            why = self._closing.refusal(domain, vm, live)
            return Seat(self.index, vm, name, live, kept, saved, stands, unread=why)
        return None

    def guest(self, vm: VmId) -> GuestAddresses | None:
        """None: the VM does not run here, or nothing is known. It may take as long as libvirt waits for an agent."""
        connection = self._guests.open()
        with ours(), still_there():
            domain = connection.lookupByUUIDString(vm)
            if not domain.isActive():
                return None
            try:
                macs = cards(domain.XMLDesc(0))
            except ET.ParseError:
                return None
            return of_agent(_told(domain, 1), macs) or of_networks([_told(domain, 0), _told(domain, 2)])
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

    def begin_backup(self, vm: VmId, target: str, file: str, extension: str) -> None:
        """Copy a disk of a running VM, as it is at this instant, to a file that is there. It goes on by itself."""
        domain = self._domain(vm)
        with ours():
            domain.backupBegin(backup_xml(target, file, extension), None, 1)  # VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL

    def backups(self, vm: VmId) -> Mapping[str, str]:
        """Which devices are being copied now, and to which files."""
        domain = self._domain(vm)
        with ours():
            try:
                return backups_of(domain.backupGetXMLDesc(0))
            except library().libvirtError as error:
                if error.get_error_code() not in _NO_BACKUP:
                    raise
                return {}

    def backup_is_whole(self, vm: VmId, seconds: float) -> bool:
        """Whether the last job of the VM was such a copy, lasted at least so long, and came to its end."""
        domain = self._domain(vm)
        with ours():
            ended = domain.jobStats(1 | 2)  # VIR_DOMAIN_JOB_STATS_COMPLETED and _KEEP_COMPLETED
        long = int(ended.get("time_elapsed", 0)) / 1000 >= seconds
        return long and (ended.get("type"), ended.get("operation")) == (3, 9)  # VIR_DOMAIN_JOB_COMPLETED, _BACKUP

    def end_backup(self, vm: VmId) -> None:
        domain = self._domain(vm)
        with ours():
            domain.abortJob()

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
        for each in (self._connection, self._guests, *self._readers.values(), *self._makers.values()):
            each.close()

    def _domain(self, vm: VmId) -> Any:
        connection = self._open()
        with ours():
            return connection.lookupByUUIDString(vm)

    def _open(self) -> Any:
        return self._connection.open()


def _id(domain: Any) -> VmId:
    return VmId(domain.UUIDString().lower())


def _standing(domain: Any) -> Standing:
    state, reason = domain.state(0)[:2]
    return standing(state, reason, image=domain.hasManagedSaveImage(0) == 1)


def _told(domain: Any, source: int) -> Told:
    """VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, _AGENT and _ARP. Each may be missing: no agent, no network's lease."""
    try:
        found: Told = domain.interfaceAddresses(source, 0) or {}
    except library().libvirtError:
        return {}
    return found


def _pool(pool: Any) -> Pool:
    return parse_pool(pool.XMLDesc(0), bool(pool.isActive()))


def _flags(seat: Seat) -> int:
    """Live, persistent or both: where the VM has a configuration."""
    return (1 if seat.live is not None else 0) | (2 if seat.kept is not None else 0)
