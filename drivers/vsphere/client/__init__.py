"""
The only package that imports pyVmomi: sessions with vCenter or ESXi, requests and their answers. Blocking.

Every function and method may raise `NotSent`, `Doubt` or `Fault` when it is run in a session, and nothing else.
"""

from drivers.vsphere.client.acting import (
    copy_disk,
    create_disk,
    delete_disk,
    make_folder,
    move_disk,
    policy_id,
    power_off,
    reconfigure,
    search_disk,
    set_disk_uuid,
)
from drivers.vsphere.client.reading import disk_uuid, look, read_task, read_vm
from drivers.vsphere.client.session import Open, Session
from drivers.vsphere.client.watching import Watch

__all__ = [
    "Open",
    "Session",
    "Watch",
    "copy_disk",
    "create_disk",
    "delete_disk",
    "disk_uuid",
    "look",
    "make_folder",
    "move_disk",
    "policy_id",
    "power_off",
    "read_task",
    "read_vm",
    "reconfigure",
    "search_disk",
    "set_disk_uuid",
]
