"""A guest as libvirt's XML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.lab.names import LabNode
from deploy.lab.vms.image import Base

# QEMU 7.2's emulation crashes Linux guests that use cmpxchg16b; 5-level page tables only cost time.
_EMULATED = """<cpu mode='maximum' check='none'>
    <feature policy='disable' name='cx16'/><feature policy='disable' name='la57'/>
  </cpu>"""
_VIRTUALISED = "<cpu mode='host-passthrough' check='none' migratable='on'/>"
_DOMAIN = """
<domain type='{kind}'>
  <name>{name}</name><uuid>{vm}</uuid><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd>
    <cmdline>{words}</cmdline>
  </os>
  <features><acpi/></features>
  {cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe' discard='unmap'/>
      <source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <interface type='bridge'>
      <mac address='{mac}'/><source bridge='{bridge}'/><target dev='{tap}'/><model type='virtio'/>
    </interface>
    <serial type='file'><source path='{kernel_log}' append='on'/></serial>
    <serial type='file'><source path='{engine_log}' append='on'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
"""
MEMORY = 1024  # MiB
EMULATOR = 768  # MiB that an emulating QEMU needs beside it


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files and the cables of one guest are."""

    disk: Path
    kernel_log: Path
    engine_log: Path
    bridge: str
    tap: str


def domain(node: LabNode, place: Place, base: Base, words: str, *, kvm: bool) -> str:
    """``words``: more for the kernel's command line, beside the node's own."""
    own = f"lab.name={node.name} {words}"
    return _DOMAIN.format(
        kind="kvm" if kvm else "qemu",
        name=node.name,
        vm=node.vm,
        memory=MEMORY,
        kernel=base.kernel,
        initrd=base.initrd,
        # Errors of the disks and their file systems show on the console: a drill keeps them.
        words=f"console=ttyS0 quiet loglevel=5 panic=1 mitigations=off net.ifnames=0 {own}",
        cpu=_VIRTUALISED if kvm else _EMULATED,
        # The machine's page cache outlives the guest: a guest that loses its power loses what it had not written.
        disk=place.disk,
        mac=_mac(node.address),
        bridge=place.bridge,
        tap=place.tap,
        kernel_log=place.kernel_log,
        engine_log=place.engine_log,
    )


def _mac(address: str) -> str:
    return "52:54:" + ":".join(f"{int(byte):02x}" for byte in address.split("."))
