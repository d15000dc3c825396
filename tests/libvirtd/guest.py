"""
A guest that writes: Debian's kernel and an initramfs with busybox, which shows what it does on its serial console.

It opens each SCSI disk that appears once and for all, as a database does its files, writes and syncs one record after
the other, and says ``WROTE name wwid n`` or ``FAILED name wwid n``. A record holds ``who=`` of the kernel's command
line. A disk of 48 MiB it fills with 32 MiB, says ``FILLED``, and discards all of it 3 s later, and says ``GIVEN``.

On a channel for a guest agent (``AGENT``) it answers as one does: with the address of a card that nothing is sent by.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deploy.lab.vms.cpio import Cpio
from tests.libvirtd.packages import kernel_package


def _address(text: str) -> dict[str, object]:
    return {"ip-address": text, "ip-address-type": "ipv4", "prefix": 24}


AGENT_MAC, AGENT_ADDRESS = "52:54:00:00:0a:9e", "10.77.8.9"
AGENT = (
    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    f"<interface type='ethernet'><mac address='{AGENT_MAC}'/><target dev='tapagent'/><model type='virtio'/></interface>"
)
# In the order in which they need each other.
_MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    "virtio_console",
    *("scsi_common", "scsi_mod", "virtio_scsi", "crc64", "crc64-rocksoft", "crct10dif", "t10-pi", "sd_mod"),
)
_INIT = r"""#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /modules); do busybox insmod /$module; done
echo GUEST-UP
who=$(busybox sed 's/.*who=\([^ ]*\).*/\1/' /proc/cmdline)
writer() {
    exec 3>/dev/$1
    n=0
    while :; do
        n=$((n + 1))
        busybox printf '%-512s' "record of $who $n" >/record.$1
        if busybox dd if=/record.$1 bs=512 count=1 conv=fsync 2>/dev/null >&3
        then echo "WROTE $1 $2 $n"
        else echo "FAILED $1 $2 $n"
        fi
        busybox usleep 100000
    done
}
giver() {
    busybox dd if=/dev/urandom of=/dev/$1 bs=1M count=32 conv=fsync 2>/dev/null && echo "FILLED $1 $2"
    busybox sleep 3
    busybox blkdiscard /dev/$1 && echo "GIVEN $1 $2"
}
answer() {
    id=$(echo "$1" | busybox sed 's/.*"id": *\([0-9]*\).*/\1/')
    case "$1" in
    *guest-sync-delimited*) busybox printf '\377{"return": %s}\n' $id ;;
    *guest-sync*) echo "{\"return\": $id}" ;;
    *guest-network-get-interfaces*) busybox cat /interfaces ;;
    *) echo '{"error": {"class": "CommandNotFound", "desc": "not here"}}' ;;
    esac
}
agent() {
    while :; do
        # Opened again while nothing is heard: libvirt may miss that a port was opened just when the guest came up.
        exec 4<>$1
        while read -r -t 5 line <&4; do answer "$line" >&4; done
        exec 4>&-
    done
}
while :; do
    for port in /dev/vport*p*; do
        [ -e $port ] && [ ! -e /agent ] && { echo >/agent; agent $port & }
    done
    for sys in /sys/block/sd*; do
        [ -e "$sys/device/wwid" ] || continue
        wwid=$(busybox cat $sys/device/wwid 2>/dev/null)
        [ -e "/seen.$wwid" ] && continue
        echo >"/seen.$wwid"
        [ "$(busybox cat $sys/size)" = 98304 ] && { giver ${sys##*/} $wwid & continue; }
        writer ${sys##*/} $wwid &
    done
    busybox usleep 100000
done
"""
_INTERFACES = [
    {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [_address("127.0.0.1")]},
    {"name": "eth0", "hardware-address": AGENT_MAC, "ip-addresses": [_address(AGENT_ADDRESS)]},
]


@dataclass(frozen=True, slots=True)
class Boot:
    kernel: Path
    initrd: Path


@cache
def boot(folder: Path) -> Boot:
    package = kernel_package()
    kernel = next((package / "boot").glob("vmlinuz-*"))
    modules = {path.name.removesuffix(".ko"): path for path in package.glob("lib/modules/*/kernel/**/*.ko")}
    wanted = [name for name in _MODULES if name in modules]
    initrd = folder / "initrd.gz"
    archive = Cpio()
    for name in ("bin", "proc", "sys", "dev"):
        archive.folder(name)
    archive.program("bin/busybox", Path("/bin/busybox").read_bytes())
    archive.program("init", _INIT.encode())
    archive.file("interfaces", json.dumps({"return": _INTERFACES}).encode() + b"\n")
    archive.file("modules", " ".join(f"{name}.ko" for name in wanted).encode())
    for name in wanted:
        archive.file(f"{name}.ko", modules[name].read_bytes())
    initrd.write_bytes(gzip.compress(archive.end(), 1))
    return Boot(kernel, initrd)
