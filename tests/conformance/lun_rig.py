"""The conformance suite's rig on a real iSCSI target: controllers and machines are initiators of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Self

from controller.model import DiskId, Power, VmId
from drivers.lun.driver import LunDriver
from tests.lio.site import VMS, Gates, driver, shared_bed

# Started anew for each disk; says once that it writes.
WRITER = """
cat >/run/reberth-writer <<'X'
while dd if=/dev/zero of=$1 bs=4096 count=1 seek=300 oflag=direct,dsync 2>/dev/null; do echo >$2; done
X
rm -f /run/writes; setsid sh /run/reberth-writer {device} /run/writes >/dev/null 2>&1 &
n=0; until [ -e /run/writes ]; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done
"""


class LunRig:
    driver: LunDriver
    rival: LunDriver

    async def __aenter__(self) -> Self:
        self.bed = shared_bed()  # not in a thread: the guest ends with the thread that started it
        await asyncio.to_thread(self.bed.reset)
        self.gates = Gates(self.bed)
        self.driver = driver(self.bed, "ctl", 1, self.gates)
        self.rival = driver(self.bed, "rival", 2, self.gates)
        self._unused: Iterator[VmId] = iter(VMS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.bed.shell, "[ ! -e /run/away/ctl ] || mv /run/away/* /run/nexus/")

    async def add_vm(self) -> VmId:
        return next(self._unused)

    async def switch(self, vm: VmId, power: Power) -> None:
        """Its gate is heard no more; what it registered stays."""
        (self.gates.off.add if power is Power.OFF else self.gates.off.discard)(vm)

    async def write(self, vm: VmId, disk: DiskId) -> None:
        device = f"/run/nexus/{VMS[vm]}/{disk.partition('@')[2]}"
        await asyncio.to_thread(self.bed.shell, WRITER.format(device=device))

    async def go_away(self) -> None:
        """Logged out: the names of the LUNs are gone."""
        await asyncio.to_thread(self.bed.shell, "mkdir -p /run/away; mv /run/nexus/ctl /run/nexus/rival /run/away/")
