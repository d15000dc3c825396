"""
A libvirtd of one's own, in namespaces: its files, sockets and processes are apart from the machine's.

When its first process is killed, its QEMU processes and mounts are gone with it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.lab.names import LabError
from drivers.libvirt.client import library

TLS_PORT = 16514
_NAMESPACES = ("unshare", "-m", "-u", "-i", "-p", "-f", "--kill-child", "--mount-proc")
_START = """
ip link set lo up
mount -t tmpfs tmpfs /run
[ ! -d /sys/fs/cgroup ] || mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir -p /run/libvirt /var/lib/libvirt /etc/libvirt /var/cache/libvirt /var/log/libvirt
for pair in run:/run/libvirt lib:/var/lib/libvirt etc:/etc/libvirt cache:/var/cache/libvirt log:/var/log/libvirt; do
    mount --bind "{folder}/${{pair%%:*}}" "${{pair#*:}}"
done
while :; do
    libvirtd {options} -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid || :
    sleep 0.1
    until [ ! -e {folder}/stay-down ]; do sleep 0.1; done
done
"""
_QEMU_CONF = """
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_DAEMON_CONF = 'auth_unix_rw = "none"\nlog_outputs = "3:file:/var/log/libvirt/libvirtd.log"\n'
_TLS_CONF = """
listen_tls = 1
listen_tcp = 0
listen_addr = "{address}"
tls_port = "{port}"
auth_tls = "none"
key_file = "/etc/libvirt/pki/serverkey.pem"
cert_file = "/etc/libvirt/pki/servercert.pem"
ca_file = "/etc/libvirt/pki/cacert.pem"
tls_allowed_dn_list = ["{admitted}"]
"""


@dataclass(frozen=True, slots=True)
class Listen:
    """Over TLS, with the certificates in ``etc/pki`` of the daemon's folder; it admits one client certificate."""

    address: str
    admitted: str  # distinguished name of the client's certificate, as GnuTLS writes it


@dataclass(frozen=True, slots=True)
class Daemon:
    """``folder`` holds everything of it, and is not below /run."""

    folder: Path
    own_network: bool = True
    listen: Listen | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    @property
    def pki(self) -> Path:
        return self.folder / "etc" / "pki"

    def start(self) -> subprocess.Popen[bytes]:
        """Our child, whose end is the end of all."""
        command = self._prepare()
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # a Ctrl-C is for whoever started it
            )

    def start_apart(self, marks: Mapping[str, str]) -> None:
        """It outlives us, and is found by the marks in its environment."""
        command = ["setsid", "--fork", *self._prepare()]
        with self.log.open("wb") as log:
            subprocess.run(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=_environment() | dict(marks),
                check=True,
            )

    def _prepare(self) -> list[str]:
        """Its folders and its configuration; what to run."""
        for name in ("run", "lib", "etc", "cache", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/qemu.conf").write_text(_QEMU_CONF)
        (self.folder / "etc/libvirtd.conf").write_text(_DAEMON_CONF + self._listening())
        script = _START.format(folder=self.folder, options="--listen" if self.listen else "")
        return [*_NAMESPACES, *(("-n",) if self.own_network else ()), "sh", "-c", script]

    def _listening(self) -> str:
        if self.listen is None:
            return ""
        return _TLS_CONF.format(address=self.listen.address, port=TLS_PORT, admitted=self.listen.admitted)

    @property
    def log(self) -> Path:
        return self.folder / "log/out"

    def connect(self, process: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> Any:
        """A connection, once it answers. Raises LabError."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return library().open(self.uri)
            except library().libvirtError as error:
                ended = process is not None and process.poll() is not None
                if ended or time.monotonic() > deadline:
                    said = " / ".join(_last_lines(self.log) + _last_lines(self.folder / "log/libvirtd.log"))
                    raise LabError(f"libvirtd does not answer ({error}); it said: {said or 'nothing'}") from error
            time.sleep(0.05)


def define_pool(connection: Any, folder: Path, name: str = "reberth") -> None:
    """A storage pool over a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = connection.storagePoolDefineXML(
        f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>", 0
    )
    made.setAutostart(1)
    made.create(0)


def _last_lines(path: Path, count: int = 3) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-count:] if path.exists() else []


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIBVIRT_", "VIRSH_", "XDG_"))}
    return kept | {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
