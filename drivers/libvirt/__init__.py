"""Disks as image files in a shared pool or as RBD images of Ceph's, attached to QEMU/KVM VMs through libvirt."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.base import HypervisorDriver


def create(settings: Mapping[str, object]) -> HypervisorDriver:
    """Raises ValueError with a sentence that names the setting and the cure, ImportError without libvirt's client."""
    # Only who uses this driver needs libvirt's client library.
    from drivers.libvirt.client import load  # noqa: PLC0415
    from drivers.libvirt.driver import LibvirtDriver  # noqa: PLC0415
    from drivers.libvirt.rbd.tools import missing  # noqa: PLC0415
    from drivers.libvirt.settings import Settings  # noqa: PLC0415

    parsed = Settings.parse(settings)
    load()
    if parsed.rbd is not None and (cure := missing()) is not None:
        raise ImportError(cure)
    return LibvirtDriver(parsed)
