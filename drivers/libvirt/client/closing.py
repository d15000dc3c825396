"""
Whether a VM has let go of the files that it is described without.

libvirt takes a disk out of a VM's description first, and has QEMU close its file after that: seconds later, where the
storage is slow (libvirt 9.0, qemuDomainRemoveDiskDevice). Until then QEMU may write what it keeps of a qcow2's tables.
Both are one job of libvirt's on that VM: when no job is at work, it is over.
"""

from __future__ import annotations

from typing import Any

from controller.model import VmId
from drivers.libvirt.client.library import library
from drivers.libvirt.inventory import Side

_IDLE = 0  # VIR_DOMAIN_CONTROL_OK
_NO_JOBS = {3, 55}  # VIR_ERR_NO_SUPPORT, and _OPERATION_INVALID: it runs no more, and has nothing open


class Closing:
    """For one host. It knows what each VM had open when it was surely all of it."""

    def __init__(self) -> None:
        self._open: dict[VmId, frozenset[str]] = {}

    def refusal(self, domain: Any, vm: VmId, live: Side | None) -> str:
        """Why a description does not say all that the VM may have open; to be called after it was read."""
        files = frozenset(file for disk in live.disks for file in disk.files) if live else frozenset()
        before = self._open.get(vm)
        if live is not None and (before is None or before - files) and _at_work(domain):
            return f"libvirt is at work on VM {domain.name()}, which may still have a disk open that was taken from it"
        self._open[vm] = files
        return ""


def _at_work(domain: Any) -> bool:
    try:
        return bool(domain.controlInfo()[0] != _IDLE)
    except library().libvirtError as error:
        if error.get_error_code() not in _NO_JOBS:
            raise
        return False
