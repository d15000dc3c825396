"""The files of the shared pool, as one host makes, copies and removes them. Blocking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.model import DiskId
from drivers.libvirt.client.library import library, ours
from drivers.libvirt.devices import volume_xml
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import parse_written


class PoolFiles:
    def __init__(self, connection: Callable[[], Any], pool: str) -> None:
        self._connection = connection
        self._name = pool

    def _pool(self) -> Any:
        return self._connection().storagePoolLookupByName(self._name)

    def create(self, name: str, size_bytes: int, extension: str) -> int:
        """The size of the disk of this name, which is made if there is none."""
        with ours():
            pool = self._pool()
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
        with ours():
            pool = self._pool()
            pool.createXMLFrom(volume_xml(name, size_bytes, extension), pool.storageVolLookupByName(source), 0)

    def written(self, name: str) -> str:
        """When a file of the pool was last written to."""
        with ours():
            pool = self._pool()
            return parse_written(pool.storageVolLookupByName(name).XMLDesc(0))

    def size(self, name: str) -> int:
        """Bytes of the disk. Raises Fault of kind NO_VOLUME."""
        with ours():
            pool = self._pool()
            pool.refresh(0)
            return int(pool.storageVolLookupByName(name).info()[1])

    def resize(self, name: str, size_bytes: int) -> None:
        """Of a disk that nobody has open: QEMU's lock refuses it else."""
        with ours():
            self._pool().storageVolLookupByName(name).resize(size_bytes, 0)

    def names(self) -> list[str]:
        """Names of all files in the pool."""
        with ours():
            pool = self._pool()
            pool.refresh(0)
            return [str(each.name()) for each in pool.listAllVolumes(0)]

    def delete(self, disk: DiskId) -> None:
        """Raises Fault of kind NO_VOLUME."""
        with ours():
            pool = self._pool()
            pool.refresh(0)
            pool.storageVolLookupByName(disk.rsplit("/", 1)[-1]).delete(0)
