"""What a lab of virtual machines has as disks, and who switches its machines, as the controllers' settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.drill.settings import DrillSettings

FILES, RBD = "libvirt", "rbd"
LIBVIRT, REDFISH, IPMI = "libvirt", "redfish", "ipmi"
BMCS = (REDFISH, IPMI)

_STORAGE = """\
[storage]
driver = "libvirt"

[storage.libvirt]
uris = ["{uri}"]
pool = "reberth"
"""
# In an emulated machine each of Ceph's programs takes a second or more, and a look asks one of them.
_RBD = """\
look_timeout = 25.0

[storage.libvirt.rbd]
monitors = ["{monitor}"]
keyring = "/run/secrets/reberth.keyring"
secret = "{secret}"
timeout = 40.0
"""
_BMC = """
[power]
driver = "{driver}"

[power.{driver}]
user_file = "/run/secrets/power-user"
password_file = "/run/secrets/power-password"
deadline = 14.0
machines = [{machines}]
"""
_CA_FILE = 'ca_file = "/run/secrets/power-ca"\n'
_POLICY = """
[policy]
fence = "{fence}"
grace = 10.0
"""
_PATIENT = """
[loop]
read_deadline = 30.0
"""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """``storage``: of the drill's settings, as the others."""

    storage: str = FILES
    power: str = LIBVIRT
    fence: str = "detach"

    @staticmethod
    def of(settings: DrillSettings) -> Arrangement:
        return Arrangement(settings.storage, settings.power, settings.fence)

    @property
    def bmcs(self) -> bool:
        return self.power in BMCS


BASE = Arrangement()
"""What a lab is saved with."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the controllers find what an arrangement needs."""

    uri: str = ""  # of libvirt
    monitor: str = ""  # of Ceph
    secret: str = ""  # libvirt's UUID of Ceph's key
    redfish: str = ""  # URL of the BMC that has all machines
    ipmi: Sequence[tuple[str, int]] = ()  # address and port of each machine's BMC
    vms: Sequence[str] = field(default=())  # their UUIDs


def settings_of(wanted: Arrangement, places: Places) -> str:
    """The controllers' settings file."""
    text = _STORAGE.format(uri=places.uri)
    if wanted.storage == RBD:
        text += _RBD.format(monitor=places.monitor, secret=places.secret)
    if wanted.power == REDFISH:
        # One BMC that has several systems: it tells which machine each of them is.
        text += _BMC.format(driver=REDFISH, machines=f'{{ url = "{places.redfish}" }}') + _CA_FILE
    if wanted.power == IPMI:
        text += _BMC.format(driver=IPMI, machines=", ".join(_machines(places)))
    text += _POLICY.format(fence=wanted.fence)
    return text if wanted == BASE else text + _PATIENT


def _machines(places: Places) -> list[str]:
    return [
        f'{{ vm = "{vm}", address = "{address}", port = {port} }}'
        for vm, (address, port) in zip(places.vms, places.ipmi, strict=True)
    ]


def variables(names: Mapping[str, str]) -> dict[str, str]:
    """Of the stack files: secret or config, by its usual name -> the name that it has here."""
    known = {
        "reberth-config": "REBERTH_CONFIG",
        "reberth-ceph-keyring": "REBERTH_CEPH_KEYRING",
        "reberth-power-user": "REBERTH_POWER_USER",
        "reberth-power-password": "REBERTH_POWER_PASSWORD",
        "reberth-power-ca": "REBERTH_POWER_CA",
    }
    return {variable: names[usual] for usual, variable in known.items() if usual in names}
