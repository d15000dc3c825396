"""The files of one shared pool, as one host makes, copies and removes them. Blocking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.model import DiskId
from drivers.libvirt.client.library import library, ours
from drivers.libvirt.devices import volume_xml
from drivers.libvirt.inventory import parse_written


class PoolFiles:
    def __init__(self, connection: Callable[[], Any], pool: str) -> None:
        self._connection = connection
        self.name = pool

    def _pool(self) -> Any:
        return self._connection().storagePoolLookupByName(self.name)

    def create(self, name: str, size_bytes: int, extension: str) -> int:
        """The size of the disk of this name, which is made if there is none."""
        with ours():
            pool = self._pool()
            pool.refresh(0)  # a file that somebody put there since must not be overwritten
            try:
                volume = pool.storageVolLookupByName(name)
            except library().libvirtError as error:
                if error.get_error_code() != 50:
                    raise
                volume = pool.createXML(volume_xml(name, size_bytes, extension), 0)
            return int(volume.info()[1])

    def copy(self, pool: str, source: str, name: str, size_bytes: int, extension: str) -> None:
        """Make a file from one of the pool ``pool``; returns when it is whole. Refused while the name is taken."""
        with ours():
            origin = self._connection().storagePoolLookupByName(pool).storageVolLookupByName(source)
            self._pool().createXMLFrom(volume_xml(name, size_bytes, extension), origin, 0)

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

    def room(self) -> tuple[int, int]:
        """Bytes that are free in the pool, and all. Read anew: libvirt keeps what it saw at the last refresh."""
        with ours():
            pool = self._pool()
            pool.refresh(0)
            _, size, _, free = pool.info()
            return int(free), int(size)

    def names(self) -> list[str]:
        """Of all files in the pool."""
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
