"""A Ceph cluster and BMCs for a lab of virtual machines: real programs, of the tests; they end with the drill."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import Any

from deploy.drill.errors import DrillError
from deploy.drill.labs.arrangement import RBD, Arrangement, Places
from deploy.lab.names import MARK, ROLE
from deploy.lab.vms import site
from deploy.lab.vms.lab import VmsLab

_WRONG = "not the one that the controllers know"
_TROUBLES = ("away", "slow", "password")


class Beds:
    """Each is started when it is first needed, and stays."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.ceph: Any = None
        self.bmcs: Any = None
        self.keyring = b""

    def close(self) -> None:
        self._open.close()

    def ensure(self, lab: VmsLab, wanted: Arrangement) -> None:
        if wanted.storage == RBD and self.ceph is None:
            self._start_ceph(lab)
        if wanted.bmcs and self.bmcs is None:
            self._start_bmcs(lab)

    def _start_ceph(self, lab: VmsLab) -> None:
        tests("ceph.packages").ensure()
        bed, named = tests("ceph.bed"), tests("ceph.site")
        marks = {MARK: lab.spec.name, ROLE: "ceph"}
        self.ceph = bed.Ceph(lab.layout.store / "ceph", lab.spec.gateway, marks)
        self._open.callback(self.ceph.close)
        self.keyring = self.ceph.user("reberth", bed.CONTROLLER).read_bytes()
        self.ceph.user(named.VM_USER, bed.HYPERVISOR)
        named.give_key(lab.connection, self.ceph)

    def _start_bmcs(self, lab: VmsLab) -> None:
        tests("bmc.packages").ensure()
        self.bmcs = tests("bmc.emulators").Bmcs(
            lab.layout.store / "bmc",
            site.daemon(lab.spec).uri,
            tuple(node.name for node in lab.nodes),
            lab.spec.gateway,
            {MARK: lab.spec.name, ROLE: "bmc"},
        )
        self._open.callback(self.bmcs.close)

    def places(self, lab: VmsLab) -> Places:
        ceph, bmcs = self.ceph, self.bmcs
        return Places(
            uri=lab.uri,
            monitor=ceph.monitor if ceph else "",
            secret=tests("ceph.site").SECRET if ceph else "",
            redfish=bmcs.url if bmcs else "",
            ipmi=[(lab.spec.gateway, port) for port in bmcs.ports] if bmcs else (),
            vms=[node.vm for node in lab.nodes],
        )

    def secrets(self, wanted: Arrangement) -> dict[str, bytes]:
        """By their usual names."""
        found: dict[str, bytes] = {}
        if wanted.storage == RBD:
            found["reberth-ceph-keyring"] = self.keyring
        if wanted.bmcs:
            emulators = tests("bmc.emulators")
            found["reberth-power-user"] = emulators.USER.encode()
            found["reberth-power-password"] = emulators.PASSWORD.encode()
            found["reberth-power-ca"] = self.bmcs.ca_file.read_bytes()
        return found

    def trouble(self, kind: str) -> None:
        """All BMCs: ``away`` (no power), ``slow`` (they take questions and answer none), another ``password``."""
        if kind not in _TROUBLES:
            raise DrillError(f"no BMC can be {kind}")
        if kind == "slow":
            self.bmcs.freeze()
            return
        self.bmcs.kill()
        if kind == "password":
            self.bmcs.start(_WRONG)

    def mend(self, kind: str) -> None:
        if kind == "slow":
            self.bmcs.thaw()
            return
        self.bmcs.kill()
        self.bmcs.start(tests("bmc.emulators").PASSWORD)


def tests(module: str) -> Any:
    try:
        return import_module(f"tests.{module}")
    except ModuleNotFoundError as error:
        raise DrillError(
            f"--storage rbd and --power need the project's sources (there is no {error.name}): run it in a checkout"
        ) from error
