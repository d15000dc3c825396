"""
Power by the machines' own management controllers (BMCs), whatever the disks come from.

Never here: a word about disks, and a conclusion from anything but a state that was read. Factories for the entry points
of ``reberth.power``.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.base import PowerDriver


def create_redfish(settings: Mapping[str, object]) -> PowerDriver:
    """Raises SettingsError, or OSError for a file that it names."""
    from drivers.bmc.redfish import create  # noqa: PLC0415 - only who uses it pays for it

    return create(settings)


def create_ipmi(settings: Mapping[str, object]) -> PowerDriver:
    """Raises SettingsError, or OSError for a file that it names."""
    from drivers.bmc.ipmi import create  # noqa: PLC0415

    return create(settings)


def create_fence_agent(settings: Mapping[str, object]) -> PowerDriver:
    """Raises SettingsError, or OSError for a file that it names. Asks the agent for its metadata."""
    from drivers.bmc.fence_agent import create  # noqa: PLC0415

    return create(settings)
