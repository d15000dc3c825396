"""
The only package that imports pyVmomi: sessions with vCenter or ESXi, requests and their answers. Blocking.

Every function and method may raise `NotSent`, `Doubt` or `Fault` when it is run in a session, and nothing else.
"""

from drivers.vsphere.client.acting import (
    copy_disk,
    create_disk,
    delete_disk,
    log_event,
    make_folder,
    move_disk,
    power_off,
    reconfigure,
    search_disk,
    set_attribute,
    set_disk_uuid,
)
from drivers.vsphere.client.obstacles import free_kib, read_obstacles, rooms
from drivers.vsphere.client.policies import policy_id, without_policy
from drivers.vsphere.client.probing import datastore, lacking, make_snapshot, product, reads_by_key, remove_snapshot
from drivers.vsphere.client.reading import disk_uuid, look, read_again, read_guests, read_task, read_vm
from drivers.vsphere.client.session import Open, Session
from drivers.vsphere.client.stores import members
from drivers.vsphere.client.watching import Watch

__all__ = [
    "Open",
    "Session",
    "Watch",
    "copy_disk",
    "create_disk",
    "datastore",
    "delete_disk",
    "disk_uuid",
    "free_kib",
    "lacking",
    "log_event",
    "look",
    "make_folder",
    "make_snapshot",
    "members",
    "move_disk",
    "policy_id",
    "power_off",
    "product",
    "read_again",
    "read_guests",
    "read_obstacles",
    "read_task",
    "read_vm",
    "reads_by_key",
    "reconfigure",
    "remove_snapshot",
    "rooms",
    "search_disk",
    "set_attribute",
    "set_disk_uuid",
    "without_policy",
]
