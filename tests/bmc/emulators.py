"""
BMCs of real virtual machines: a Redfish service (sushy-tools, TLS) that has all of them, and one IPMI BMC (virtualbmc)
for each. Their power button is libvirt's destroy: a real power cut.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.bmc.packages import TOOLS
from tests.libvirtd.hypervisor import until
from tests.support.ports import free_port, free_ports

USER, PASSWORD = "admin", "pa ss:w=rd"  # with what programs that split lines may trip over
_SUSHY = """
SUSHY_EMULATOR_LISTEN_IP = '{address}'
SUSHY_EMULATOR_LISTEN_PORT = {port}
SUSHY_EMULATOR_SSL_CERT = '{folder}/cert.pem'
SUSHY_EMULATOR_SSL_KEY = '{folder}/key.pem'
SUSHY_EMULATOR_AUTH_FILE = '{folder}/htpasswd'
SUSHY_EMULATOR_LIBVIRT_URI = '{uri}'
SUSHY_EMULATOR_STATE_DIR = '{folder}'
"""
_VBMC = """
[default]
config_dir = {folder}/vbmc
pid_file = {folder}/vbmc.pid
server_port = {port}
[log]
logfile = {folder}/vbmc.log
"""
_HASH = "import bcrypt,sys; print(bcrypt.hashpw(sys.argv[1].encode(), bcrypt.gensalt(4)).decode())"


class Bmcs:
    """
    ``domains``: of the libvirt at ``uri``, whose machines they switch. ``marks``: more for the environment of their
    processes, by which others find them.
    """

    def __init__(
        self,
        folder: Path,
        uri: str,
        domains: tuple[str, ...],
        address: str = "127.0.0.1",
        marks: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self._uri, self._domains, self._address = folder, uri, domains, address
        self._marks = dict(marks or {})
        self._stack = ExitStack()
        self.port = free_port(address)
        self.url = f"https://{address}:{self.port}"
        self.ports = free_ports(len(domains), address)
        folder.mkdir(parents=True, exist_ok=True)
        self._certificate()
        try:
            self.start(PASSWORD)
        except BaseException:
            self.close()
            raise

    @property
    def ca_file(self) -> Path:
        return self.folder / "cert.pem"

    def close(self) -> None:
        self._stack.close()

    def freeze(self) -> None:
        """All BMCs accept connections, and answer nothing."""
        for process in (self.sushy, self.vbmc):
            os.killpg(process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in (self.sushy, self.vbmc):
            os.killpg(process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """All BMCs have lost their power."""
        for process in (self.sushy, self.vbmc):
            _end(process)

    def start(self, password: str) -> None:
        """They answer to this password, when it returns."""
        hashed = subprocess.run([TOOLS / "bin/python", "-c", _HASH, password], check=True, capture_output=True)
        (self.folder / "htpasswd").write_text(f"{USER}:{hashed.stdout.decode().strip()}\n")
        conf = self.folder / "sushy.conf"
        conf.write_text(_SUSHY.format(address=self._address, port=self.port, folder=self.folder, uri=self._uri))
        self.sushy = self._run("sushy-emulator", "--config", str(conf))
        self._start_vbmc(password)
        until(
            lambda: self.sushy.poll() is None and _accepts(self._address, self.port),
            f"sushy-emulator answers (log: {self.folder}/sushy-emulator.out)",
            60,
        )

    def _start_vbmc(self, password: str) -> None:
        port = free_port()
        shutil.rmtree(self.folder / "vbmc", ignore_errors=True)
        (self.folder / "vbmc").mkdir()
        (self.folder / "vbmc.conf").write_text(_VBMC.format(port=port, folder=self.folder))
        self.vbmc = self._run("vbmcd", "--foreground")
        until(
            lambda: self.vbmc.poll() is None and _accepts("127.0.0.1", port),
            f"vbmcd answers (log: {self.folder}/vbmcd.out)",
            60,
        )
        for name, own in zip(self._domains, self.ports, strict=True):
            where = ("--address", self._address, "--port", str(own), "--libvirt-uri", self._uri)
            self._vbmc("add", name, "--username", USER, "--password", password, *where)
            self._vbmc("start", name)

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | self._marks | {"VIRTUALBMC_CONFIG": str(self.folder / "vbmc.conf")}

    def _vbmc(self, *arguments: str) -> None:
        subprocess.run([TOOLS / "bin/vbmc", *arguments], check=True, capture_output=True, env=self._environment)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{program}.out").open("ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(TOOLS / "bin" / program), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )
        self._stack.callback(_end, process)
        return process

    def _certificate(self) -> None:
        command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        names = ("-subj", "/CN=bmc", "-addext", f"subjectAltName=IP:{self._address}")
        files = ("-keyout", str(self.folder / "key.pem"), "-out", str(self.ca_file))
        subprocess.run([*command, *names, *files], check=True, capture_output=True)


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """With what it started: vbmcd has a process for each BMC."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
