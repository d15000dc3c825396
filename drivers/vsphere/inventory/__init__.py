"""
What vCenter says as plain values, and what follows from them. Pure: no pyVmomi, no I/O, no clock.

Invariant: what was not read is not "not there": such a VM is unread, and its disks are neither free nor gone.
"""

from drivers.shared.smbios import normal_uuid, orders
from drivers.vsphere.inventory.holders import (
    attachments,
    listing,
    moved,
    odd,
    ours,
    power,
    powers,
    unread_vms,
    whole,
)
from drivers.vsphere.inventory.identity import find, identity, shows_uuids, stamp, stamped_as_another
from drivers.vsphere.inventory.keys import ENABLE_UUID_KEY, EPOCH_KEY, KEPT_KEYS, SLOT_KEY, VM_KEY, Pin, pinned, pins
from drivers.vsphere.inventory.place import Place, by_id, key_of, keys_of, parse_path, unfinished_pattern
from drivers.vsphere.inventory.values import (
    CONNECTED,
    SUSPENDED,
    Controller,
    Datastore,
    Disk,
    File,
    Found,
    Host,
    Inventory,
    Vm,
)

__all__ = [
    "CONNECTED",
    "ENABLE_UUID_KEY",
    "EPOCH_KEY",
    "KEPT_KEYS",
    "SLOT_KEY",
    "SUSPENDED",
    "VM_KEY",
    "Controller",
    "Datastore",
    "Disk",
    "File",
    "Found",
    "Host",
    "Inventory",
    "Pin",
    "Place",
    "Vm",
    "attachments",
    "by_id",
    "find",
    "identity",
    "key_of",
    "keys_of",
    "listing",
    "moved",
    "normal_uuid",
    "odd",
    "orders",
    "ours",
    "parse_path",
    "pinned",
    "pins",
    "power",
    "powers",
    "shows_uuids",
    "stamp",
    "stamped_as_another",
    "unfinished_pattern",
    "unread_vms",
    "whole",
]
