"""
The lab of virtual machines with disks that are LUNs of a storage array, a guest beside them. The machines log in as an
administrator has them do it: by open-iscsi, once for the node and once for the controllers, at each start.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from deploy.drill.errors import DrillError, Say
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.labs.vms import VmsProvider
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.stacks import DEPLOY, Stacks
from deploy.lab.kernel import network
from deploy.lab.names import LabNode
from deploy.lab.vms import shell
from deploy.lab.vms.lab import VmsLab, on_all
from tests.lio.array import INITIATOR, TARGET, Array, Offer

SIZES = (1100, 1100, 1200)  # MiB; the example's volume has 1024, and a LUN its nameplate beside
ADDRESS = 5  # of the array, in the lab's subnet
MEMORY = 1536  # MiB: half of it may be what was written to the LUNs
FACES = {"default": "", "reberth": "-controllers"}  # open-iscsi's interfaces, and what ends their initiators' names
SETTINGS = """\
[storage]
driver = "lun"

[storage.lun]
pool = "lab"
folder = "/dev/reberth"
luns = {luns}
vms = {vms}

[power]
driver = "libvirt"

[power.libvirt]
uris = ["{uri}"]

[policy]
fence = "detach"
grace = 10.0
"""
_RULES = DEPLOY / "examples" / "61-reberth-luns.rules"
_LOG_IN = r"""
set -e
echo InitiatorName={initiator}{name} >/etc/iscsi/initiatorname.iscsi
cat >/etc/udev/rules.d/61-reberth-luns.rules <<'X'
{rules}X
udevadm control --reload
modprobe iscsi_tcp
iscsid
iscsiadm -m iface -I reberth -o new
iscsiadm -m iface -I reberth -o update -n iface.initiatorname -v {initiator}{name}-controllers
for face in {faces}; do
    iscsiadm -m node -T {target} -p {portal} -I $face -o new
    iscsiadm -m node -T {target} -p {portal} -I $face -o update -n node.startup -v automatic
    iscsiadm -m node -T {target} -p {portal} -I $face --login
done
n=0
until [ $(ls /dev/reberth /dev/disk/by-id | grep -c ^wwn-) = {count} ]; do
    n=$((n + 1)); [ $n -lt 300 ] || {{ ls -l /dev/reberth /dev/disk/by-id; cat /proc/partitions; exit 1; }}
    sleep 0.2
done
sync
ls /dev/reberth
"""


class LunProvider(VmsProvider):
    luns = True

    def __init__(self) -> None:
        super().__init__(saves=False)
        self._array: Array | None = None
        self._names: tuple[str, ...] = ()

    @property
    def array(self) -> Array:
        if self._array is None:
            raise DrillError("the array is not up")
        return self._array

    def up(self, settings: DrillSettings, say: Say) -> SwarmLab:
        lab = super().up(settings, say)
        made = self._need()
        self._array = _array(made)
        say("The storage array is on.")
        found: list[tuple[str, ...]] = []
        on_all(made.nodes, lambda node: found.append(_log_in(node, self.array.offer)))
        self._names = found[0]
        say(f"All machines see the LUNs {', '.join(self._names)}.")
        return lab

    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
        made, plain = self._need(), super().stacks(lab, cluster, settings, say)
        text = SETTINGS.format(luns=list(self._names), vms=[node.vm for node in made.nodes], uri=made.uri)
        return replace(
            plain,
            files=(*plain.files, DEPLOY / "lun.yml"),
            variables={**plain.variables, "REBERTH_LUNS": "1"},
            configs={"reberth-config": text.encode()},
        )

    def down(self, settings: DrillSettings) -> None:
        if self._array is not None:
            self._array.close()
        super().down(settings)


def _array(lab: VmsLab) -> Array:
    address, wire = lab.spec.network[ADDRESS], f"{lab.layout.bridge}n{ADDRESS:02d}"
    names = tuple(f"{node.name}{end}" for node in lab.nodes for end in FACES.values())
    array = Array(
        Path(tempfile.mkdtemp(prefix="lun-array-")),
        Offer(names, SIZES, str(address)),
        [
            *("-netdev", f"tap,id=lab,ifname={wire},script=no,downscript=no"),
            *("-device", "virtio-net-pci,netdev=lab,mac=52:54:00:00:00:05"),
        ],
        f"ip link set eth1 up; ip address add {address}/{lab.spec.network.prefixlen} dev eth1",
        MEMORY,
    )
    network.run("ip", "link", "set", wire, "master", lab.layout.bridge, "up")
    return array


def _log_in(node: LabNode, offer: Offer) -> tuple[str, ...]:
    """The names of the LUNs."""
    script = _LOG_IN.format(
        initiator=INITIATOR,
        name=node.name,
        rules=_RULES.read_text(),
        faces=" ".join(FACES),
        target=TARGET,
        portal=offer.portal,
        count=len(FACES) * len(offer.sizes),
    )
    done = shell.run(node.address, ["sh", "-c", script], 180)
    if done.returncode != 0:
        raise DrillError(f"{node.name} does not log in to the array: {done.stdout[-1500:]} {done.stderr[-1500:]}")
    return tuple(line for line in done.stdout.split() if line.startswith("wwn-"))
