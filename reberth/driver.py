"""
The contract of storage and power drivers, for those of other packages: docs/drivers.md.

A package offers its driver by an entry point of the group ``reberth.drivers`` or ``reberth.power``,
``NAME = "module:create"`` with ``create(settings: Mapping[str, object])``; the settings are the table
``[storage.NAME]`` or ``[power.NAME]`` of reberth.toml. What is wrong with them is a ValueError with a sentence that
names the key and the cure.
"""

from controller.model import (
    Attachment,
    AttachmentState,
    BootId,
    Capabilities,
    Connection,
    ConnectKind,
    DiskId,
    DriverOption,
    Epoch,
    Power,
    Spec,
    VmId,
    VolumeKey,
)
from drivers.base import (
    Attacher,
    Created,
    CreateOutcome,
    DeviceHint,
    Done,
    DriverError,
    Grower,
    HypervisorDriver,
    InDoubt,
    Inspector,
    Listing,
    Optioned,
    Outcome,
    PowerDriver,
    PowerEvent,
    Refused,
    Room,
    Roomy,
    StorageDriver,
    Unreachable,
)
from drivers.guests import GuestAddresses, Located, Witness
from drivers.nodes import NodeConnected, Nodes
from drivers.owners import Marked, Owners
from drivers.snapshots import Snapshotter

__all__ = [
    "Attacher",
    "Attachment",
    "AttachmentState",
    "BootId",
    "Capabilities",
    "ConnectKind",
    "Connection",
    "CreateOutcome",
    "Created",
    "DeviceHint",
    "DiskId",
    "Done",
    "DriverError",
    "DriverOption",
    "Epoch",
    "Grower",
    "GuestAddresses",
    "HypervisorDriver",
    "InDoubt",
    "Inspector",
    "Listing",
    "Located",
    "Marked",
    "NodeConnected",
    "Nodes",
    "Optioned",
    "Outcome",
    "Owners",
    "Power",
    "PowerDriver",
    "PowerEvent",
    "Refused",
    "Room",
    "Roomy",
    "Snapshotter",
    "Spec",
    "StorageDriver",
    "Unreachable",
    "VmId",
    "VolumeKey",
    "Witness",
]
