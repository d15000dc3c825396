"""What an administrator says about vCenter or ESXi, checked before anything is connected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

import msgspec

from drivers.shared import allowed_vms
from drivers.shared.settings import SettingsError

Seconds = Annotated[float, msgspec.Meta(ge=0.5, le=3600)]
DiskFormat = Literal["thin", "zeroed-thick", "eager-zeroed"]
DISK_FORMATS: Mapping[str, DiskFormat] = {  # as a volume's `diskformat` says it
    "thin": "thin",
    "zeroedthick": "zeroed-thick",
    "eagerzeroedthick": "eager-zeroed",
}
_THUMBPRINT_DIGITS = 64  # SHA-256 in hex


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    The section ``[storage.vsphere]``. Times are seconds.

    ``datastore`` is where disks are made that no volume's option places elsewhere, ``datastores`` are further ones.
    ``folder`` is a folder on each of them that belongs to this swarm alone. ``thumbprint`` is the SHA-256 of the
    server's certificate, for servers without a CA that one could name; without both the system's CAs are used.
    ``vm_folders`` are inventory paths of the folders that hold the swarm's VMs; without any all VMs are read.
    ``vms``: names of the VMs that may get disks and be switched off, `*` stands for any text, or their UUIDs; without
    any all may.
    ``whole_look``: seconds between two looks that read everything; in between only what vCenter says has changed is
    read. 0 reads everything each time.
    ``custom_attribute``: the name of a custom attribute of VMs that tells which volumes they have, for people.
    """

    host: str
    user_file: str
    password_file: str
    datacenter: str
    datastore: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 443
    ca_file: str | None = None
    thumbprint: str | None = None
    datastores: tuple[str, ...] = ()
    folder: str = "reberth"
    vm_folders: tuple[str, ...] = ()
    vms: tuple[str, ...] = ()
    whole_look: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 300.0
    disk_format: DiskFormat = "thin"
    storage_policy: str | None = None
    custom_attribute: str | None = None
    disks_per_controller: Literal[15, 64] = 15
    call_timeout: Seconds = 30.0
    task_timeout: Seconds = 50.0  # under the loop's call_deadline: then the doubt has our words

    @property
    def stores(self) -> Mapping[str, str]:
        """By the name that a volume's option says: where it is under the datacenter's datastores. The default first."""
        paths = (self.datastore, *self.datastores)
        return {unquote(path.rstrip("/").rsplit("/", 1)[-1]): path for path in paths}

    @property
    def thumbprints(self) -> tuple[str, ...]:
        """Several while the certificate is renewed, the old and the new one; digits only."""
        return tuple(each.replace(":", "").lower() for each in (self.thumbprint or "").replace(",", " ").split())

    @staticmethod
    def parse(raw: Mapping[str, object]) -> Settings:
        try:
            settings = msgspec.convert(dict(raw), Settings, strict=False)  # variables are strings
        except msgspec.ValidationError as error:
            raise SettingsError(f"vsphere settings: {error}") from None
        settings.check()
        return settings

    def check(self) -> None:
        if self.ca_file is not None and self.thumbprint is not None:
            raise SettingsError("vsphere settings: give ca_file or thumbprint, not both")
        if self.thumbprint is not None and not all(map(_is_sha256, self.thumbprints or ("",))):
            raise SettingsError(
                "vsphere settings: thumbprint must be the SHA-256 of the server's certificate, 64 hex digits (or two, "
                "with a blank between them); "
                "`openssl x509 -in cert.pem -noout -fingerprint -sha256` prints it"
            )
        if not all(map(_is_name, self.folder.strip("/").split("/"))):
            raise SettingsError("vsphere settings: folder must name a folder on the datastore, such as reberth")
        if not all(path.strip("/") for path in (self.datastore, *self.datastores)):
            raise SettingsError("vsphere settings: datastore and datastores must be names of datastores")
        self._check_reading()

    def _check_reading(self) -> None:
        if not all(path.strip("/") for path in self.vm_folders):
            raise SettingsError("vsphere settings: vm_folders must be inventory paths, such as DC1/vm/swarm")
        allowed_vms.check(self.vms, "vsphere")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Read from the secret files at each login, so a rotated secret counts at once. Never shown."""

    user: str
    password: str = field(repr=False)

    @staticmethod
    def read(settings: Settings) -> Credentials:
        return Credentials(_secret(settings.user_file, "user_file"), _secret(settings.password_file, "password_file"))


def _is_name(part: str) -> bool:
    """Of a folder: servers write a path in their own way, and a disk is known by ours."""
    return part not in {"", ".", ".."} and part == part.strip()


def _is_sha256(digits: str) -> bool:
    return len(digits) == _THUMBPRINT_DIGITS and all(digit in "0123456789abcdef" for digit in digits)


def _secret(path: str, name: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"vsphere settings: {name} {path} cannot be read: {type(error).__name__}") from None
    # Only the line's end: a password may begin or end with a space.
    text = text.rstrip("\r\n")
    if not text:
        raise SettingsError(f"vsphere settings: {name} {path} is empty")
    return text
