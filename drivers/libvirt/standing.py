"""
Whether a VM's memory is gone for good, as one host tells. Pure.

"Not running" is not "off": a saved VM goes on with its page cache where it was, over whatever its disks hold by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from controller.model import Power, VmId

# virDomainState and virDomainShutoffReason, from libvirt/libvirt-domain.h
_SHUT_OFF = 5
_MIGRATED, _SAVED, _FROM_SNAPSHOT = 4, 5, 7
_ENDED = frozenset({1, 2, 3, 8})  # shut down, destroyed, crashed, killed by libvirtd when it could not reach it


class Standing(Enum):
    """The value completes "VM NAME ..."."""

    RUNS = "runs"  # also: is paused, or crashed and kept
    OFF = "is off"
    SAVED = (
        "is saved with its memory: resume it (`virsh start`), or throw its memory away (`virsh managedsave-remove`) "
        "and start it"
    )
    SAVED_TO_FILE = (
        "was saved to a file that libvirt does not keep: resume it (`virsh restore FILE`), or delete the file and "
        "start the VM"
    )
    MIGRATED = (
        "has moved to another host and left its configuration behind: name that host in uris, and `virsh undefine` "
        "the VM on this one"
    )
    REVERTED = "was put back to a snapshot: start it, so that what it is now is known"
    UNSURE = (
        "does not run, and its host does not know any more how it ended (it was restarted meanwhile): start it, and "
        "let it start with its host (`virsh autostart`)"
    )


# It goes on writing when it is resumed.
KEEPS_MEMORY = frozenset({Standing.SAVED, Standing.SAVED_TO_FILE})
_ON = KEEPS_MEMORY | {Standing.RUNS}
_ODD = {_SAVED: Standing.SAVED_TO_FILE, _MIGRATED: Standing.MIGRATED, _FROM_SNAPSHOT: Standing.REVERTED}


def standing(state: int, reason: int, *, image: bool) -> Standing:
    """``image``: libvirt keeps an image of its memory (managed save)."""
    if state != _SHUT_OFF:
        return Standing.RUNS
    if image:
        return Standing.SAVED
    return Standing.OFF if reason in _ENDED else _ODD.get(reason, Standing.UNSURE)


def powers(hosts: Sequence[Mapping[VmId, Standing] | None], vms: Sequence[VmId]) -> dict[VmId, Power]:
    """
    ``None`` for a host that does not answer.

    A VM that moved leaves its configuration behind, switched off: so OFF needs all hosts, and that none of them knows
    it as anything else.
    """
    return {vm: _power([None if host is None else host.get(vm) for host in hosts], None in hosts) for vm in vms}


def _power(seen: Sequence[Standing | None], lost: bool) -> Power:
    found = {each for each in seen if each is not None}
    if found & _ON:
        return Power.ON
    return Power.OFF if found == {Standing.OFF} and not lost else Power.UNKNOWN
