"""
A storage array, its controllers and its nodes in one guest: one initiator name for each of them, so that each has a
nexus of its own to every LUN.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.lio.array import INITIATOR, SECONDS, TARGET, Array, Offer

CONTROLLERS, NODES = ("ctl", "rival"), ("a", "b", "c")
SIZES = (64, 64, 65, 66, 130)  # MiB
_INITIATORS = r"""
set -e
[ -e /etc/iscsi/initiatorname.iscsi ] || echo InitiatorName=iqn.2026-01.example:none >/etc/iscsi/initiatorname.iscsi
iscsid
for name in {names}; do
    iscsiadm -m iface -I $name -o new
    iscsiadm -m iface -I $name -o update -n iface.initiatorname -v {initiator}$name
    iscsiadm -m node -T {target} -p 127.0.0.1 -I $name -o new
    iscsiadm -m node -T {target} -p 127.0.0.1 -I $name -o update -n node.session.timeo.replacement_timeout -v 120
    iscsiadm -m node -T {target} -p 127.0.0.1 -I $name --login >/dev/null
done
"""
NAMES = (*CONTROLLERS, *NODES)


class Bed(Array):
    """Blocks. ``luns``: their names under /dev/disk/by-id, in the order of `SIZES`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Offer(NAMES, SIZES))
        try:
            self.shell(_INITIATORS.format(target=TARGET, initiator=INITIATOR, names=" ".join(NAMES)))
            self.luns = self._devices()
        except BaseException:
            self.close()
            raise

    def restart(self, *, keep: bool) -> None:
        """Returns when every initiator is back, by itself."""
        super().restart(keep=keep)
        ends = time.monotonic() + SECONDS
        while "LOGGED_IN" not in (states := self.shell("cat /sys/class/iscsi_session/session*/state")) or "F" in states:
            assert time.monotonic() < ends, states
            time.sleep(0.2)

    def _devices(self) -> tuple[str, ...]:
        """In the order of their sizes: the name tells nothing of the order."""
        ends = time.monotonic() + 30
        while True:
            found = self.call("devices")
            assert isinstance(found, list)
            if len(found) == len(SIZES) and not self._missing():
                break
            assert time.monotonic() < ends, f"these LUNs came: {found}"
            time.sleep(0.2)
        sizes = {name: int(self.shell(f"blockdev --getsize64 /run/nexus/ctl/{name}")) for name in found}
        return tuple(sorted(found, key=lambda name: (sizes[name], name)))

    def _missing(self) -> bool:
        count = int(self.shell("ls /run/nexus/*/* | grep -c wwn-"))
        return count < len(NAMES) * len(SIZES)

    def persist(self, nexus: str, lun: str, *words: str, again: bool = True) -> tuple[int, str]:
        """`sg_persist`, the second opinion; ``again``: once more after a unit attention (6), perhaps an old one."""
        command = f"sg_persist -n {' '.join(words)} /run/nexus/{nexus}/{lun}"
        return self.tried(f"{command} || {{ code=$?; [ $code = 6 ] && {command}; }}" if again else command)

    def reset(self) -> None:
        """No key, no reservation, nothing on the LUNs."""
        self.shell("umount /mnt/* 2>/dev/null || true")
        self.call("reset", self.luns)
