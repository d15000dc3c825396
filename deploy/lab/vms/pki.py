"""Certificates for the lab's libvirtd and for the controllers that call it. Made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.names import LabError

CLIENT = "CN=reberth"  # the only one that the libvirtd admits
_DAYS = 365
_SERVER = "subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth\n"
_CLIENT = "extendedKeyUsage=clientAuth\n"
_BOTH = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"


@dataclass(frozen=True, slots=True)
class Client:
    """What a controller proves itself with, and whom it believes."""

    authority: bytes
    certificate: bytes
    key: bytes


def make(folder: Path, address: str) -> None:
    """An authority, a server's certificate for ``address`` and a client's, under libvirt's names. Raises LabError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    _key(folder / "cakey.pem")
    _openssl(
        *("req", "-x509", "-new", "-key", folder / "cakey.pem", "-subj", "/CN=reberth-lab", "-days", _DAYS),
        *("-addext", "keyUsage=critical,keyCertSign", "-out", folder / "cacert.pem"),
    )
    _issue(folder, "server", "/CN=libvirtd", _SERVER.format(address=address))
    _issue(folder, "client", f"/{CLIENT}", _CLIENT)


def client(folder: Path) -> Client:
    authority, certificate, key = (
        (folder / name).read_bytes() for name in ("cacert.pem", "clientcert.pem", "clientkey.pem")
    )
    return Client(authority, certificate, key)


def _issue(folder: Path, name: str, subject: str, extensions: str) -> None:
    key, request, wanted = folder / f"{name}key.pem", folder / "new.csr", folder / "new.ext"
    _key(key)
    _openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
    wanted.write_text(_BOTH + extensions)
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "cacert.pem", "-CAkey", folder / "cakey.pem"),
        *("-CAcreateserial", "-days", _DAYS, "-extfile", wanted, "-out", folder / f"{name}cert.pem"),
    )


def _key(path: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    path.chmod(0o600)


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"`openssl {arguments[0]}` failed: {done.stderr.strip()[-500:]}")
