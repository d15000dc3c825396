"""Which VM this is, and which boot of it. Read afresh each time: both files are the kernel's (or the lab's)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.model import BootId, VmId

VM_UUID_FILE = "/sys/class/dmi/id/product_uuid"
BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"
TCP_RETRIES2_FILE = Path("/proc/sys/net/ipv4/tcp_retries2")

# Numbers that makers of boards and hypervisors left in by mistake; many machines share them.
SHARED_UUIDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
    }
)


class MachineUnknown(Exception):
    """The VM or its boot cannot be told. The text names the cure."""


@dataclass(frozen=True, slots=True)
class Machine:
    vm: VmId
    boot: BootId


def read_tcp_retries2(path: Path = TCP_RETRIES2_FILE) -> int | None:
    """How often the node repeats what a dead peer does not acknowledge (`doctor.node_advice`); None: unknown."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _read(path: Path, variable: str) -> str:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip().lower()
    except OSError as error:
        raise MachineUnknown(
            f"{path} cannot be read ({error.strerror}); give the VM an SMBIOS UUID, "
            f"or set {variable} to a file that has it"
        ) from error
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise MachineUnknown(
            f"{path} holds {text[:60]!r}, which is not a UUID; correct it or set {variable}"
        ) from error


def read_machine(env: Mapping[str, str]) -> Machine:
    """The VM's UUID and boot id, lower case with hyphens. Raises MachineUnknown."""
    vm_file = Path(env.get("REBERTH_VM_UUID_FILE") or VM_UUID_FILE)
    vm = _read(vm_file, "REBERTH_VM_UUID_FILE")
    if vm in SHARED_UUIDS:
        raise MachineUnknown(
            f"{vm_file} says {vm}, which many machines share; give the VM a UUID of its own in the hypervisor"
        )
    boot = _read(Path(env.get("REBERTH_BOOT_ID_FILE") or BOOT_ID_FILE), "REBERTH_BOOT_ID_FILE")
    return Machine(VmId(vm), BootId(boot))
