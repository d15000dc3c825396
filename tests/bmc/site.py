"""
BMCs of real virtual machines: a Redfish service (sushy-tools, TLS) that has all of them, and one IPMI BMC (virtualbmc)
for each. Their power button is libvirt's destroy: a real power cut.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from controller.model import VmId
from tests.bmc.packages import TOOLS, ensure
from tests.libvirtd.hypervisor import Hypervisor, until
from tests.libvirtd.site import shared_site
from tests.support.ports import free_port

USER, PASSWORD = "admin", "pa ss:w=rd"  # with what programs that split lines may trip over
_SUSHY = """
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
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


class BmcSite:
    """Made for one test, on the hypervisor that the tests share. VMs are on."""

    def __init__(self, count: int = 2) -> None:
        self._count = count
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        ensure()
        site = shared_site()
        site.reset()
        self.host: Hypervisor = site.hosts[0]
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="reberth-bmc-")))
        self._stack.callback(site.reset)
        self.user_file, self.password_file = self._secret("user", USER), self._secret("password", PASSWORD)
        self.vms = [self.host.define() for _ in range(self._count)]
        for vm in self.vms:
            self.host.start(vm)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ports = [free_port() for _ in self.vms]
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ca_file(self) -> str:
        return str(self.folder / "cert.pem")

    def redfish(self, **more: object) -> dict[str, object]:
        """Settings of the driver ``redfish``: one service, which tells the UUIDs of its systems."""
        return self._common() | {"ca_file": self.ca_file, "machines": [{"url": self.url}], **more}

    def ipmi(self, **more: object) -> dict[str, object]:
        machines = [
            {"vm": vm, "address": "127.0.0.1", "port": port} for vm, port in zip(self.vms, self.ports, strict=True)
        ]
        return self._common() | {"machines": machines, **more}

    def fence_redfish(self, **more: object) -> dict[str, object]:
        machines = [{"vm": vm, "options": {"systems_uri": f"/redfish/v1/Systems/{vm}"}} for vm in self.vms]
        # Its own waits of 3 and 5 s are too short for a server of Python on a machine that is busy.
        waits = {"shell_timeout": "20", "login_timeout": "20"}
        options = {"ip": "127.0.0.1", "ipport": str(self.port), "username": USER, **waits}
        return self._fence("fence_redfish", machines, options) | {"ca_file": self.ca_file, **more}

    def fence_ipmilan(self, **more: object) -> dict[str, object]:
        machines = [{"vm": vm, "options": {"ipport": str(port)}} for vm, port in zip(self.vms, self.ports, strict=True)]
        options = {"ip": "127.0.0.1", "username": USER, "lanplus": "1", "power_wait": "0"}
        return self._fence("fence_ipmilan", machines, options) | more

    def _fence(self, agent: str, machines: Sequence[object], options: dict[str, str]) -> dict[str, object]:
        secrets = {"password": self.password_file}
        times = {"deadline": 20.0, "off_deadline": 60.0}  # agents are Python programs, and the machine may be busy
        return {"agent": agent, "machines": machines, "options": options, "secrets": secrets, **times}

    def _common(self) -> dict[str, object]:
        return {"user_file": self.user_file, "password_file": self.password_file, "deadline": 8.0, "watch_every": 0.2}

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

    def _secret(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o400)
        return str(path)

    def other_password(self) -> str:
        return self._secret("other", "wrong")

    def _start(self) -> None:
        self._certificate()
        hashed = subprocess.run([TOOLS / "bin/python", "-c", _HASH, PASSWORD], check=True, capture_output=True)
        (self.folder / "htpasswd").write_text(f"{USER}:{hashed.stdout.decode().strip()}\n")
        conf = self.folder / "sushy.conf"
        conf.write_text(_SUSHY.format(port=self.port, folder=self.folder, uri=self.host.uri))
        self.sushy = self._run("sushy-emulator", "--config", str(conf))
        vbmc_port = free_port()
        (self.folder / "vbmc").mkdir()
        self._vbmc_conf = self.folder / "vbmc.conf"
        self._vbmc_conf.write_text(_VBMC.format(port=vbmc_port, folder=self.folder))
        self.vbmc = self._run("vbmcd", "--foreground")
        until(
            lambda: self.vbmc.poll() is None and _accepts(vbmc_port),
            f"vbmcd answers (log: {self.folder}/vbmcd.out)",
            60,
        )
        for vm, port in zip(self.vms, self.ports, strict=True):
            name = self.host.domain(vm).name()
            where = ("--address", "127.0.0.1", "--port", str(port), "--libvirt-uri", self.host.uri)
            self._vbmc("add", name, "--username", USER, "--password", PASSWORD, *where)
            self._vbmc("start", name)
        until(
            lambda: self.sushy.poll() is None and _accepts(self.port),
            f"sushy-emulator answers (log: {self.folder}/sushy-emulator.out)",
            60,
        )

    def _vbmc(self, *arguments: str) -> None:
        environment = os.environ | {"VIRTUALBMC_CONFIG": str(self._vbmc_conf)}
        subprocess.run([TOOLS / "bin/vbmc", *arguments], check=True, capture_output=True, env=environment)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"VIRTUALBMC_CONFIG": str(self.folder / "vbmc.conf")}
        with (self.folder / f"{program}.out").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(TOOLS / "bin" / program), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        self._stack.callback(_end, process)
        return process

    def _certificate(self) -> None:
        command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        names = ("-subj", "/CN=bmc", "-addext", "subjectAltName=IP:127.0.0.1")
        files = ("-keyout", str(self.folder / "key.pem"), "-out", self.ca_file)
        subprocess.run([*command, *names, *files], check=True, capture_output=True)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """With what it started: vbmcd has a process for each BMC."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def seen_off(host: Hypervisor, vm: VmId, seconds: float = 30) -> None:
    """By libvirt's own word."""
    deadline = time.monotonic() + seconds
    while host.domain(vm).isActive():
        assert time.monotonic() < deadline, f"{vm} is not off"
        time.sleep(0.05)
