"""Disks as VMDK files on a vSphere datastore, attached through vCenter or a single ESXi."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.base import HypervisorDriver


def create(settings: Mapping[str, object]) -> HypervisorDriver:
    """Raises SettingsError, a ValueError whose sentence names the setting and the cure. Connects at the first call."""
    # pyVmomi is slow to load: only who uses this driver pays for it.
    from drivers.vsphere.driver import VsphereDriver  # noqa: PLC0415
    from drivers.vsphere.settings import Settings  # noqa: PLC0415

    return VsphereDriver(Settings.parse(settings))
