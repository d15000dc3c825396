"""LUNs that every node sees, one a volume; SCSI-3 persistent reservations say which node may write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drivers.base import StorageDriver


def create(settings: Mapping[str, object]) -> StorageDriver:
    """Raises ValueError with a sentence that names the setting and the cure."""
    from drivers.lun import devices  # noqa: PLC0415 - only who uses it
    from drivers.lun.driver import LunDriver  # noqa: PLC0415
    from drivers.lun.reach import Local  # noqa: PLC0415
    from drivers.lun.settings import Settings  # noqa: PLC0415

    parsed = Settings.parse(settings)
    devices.leave()
    return LunDriver(parsed, Local(parsed.call_timeout, Path(parsed.folder)))
