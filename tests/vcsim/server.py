"""
The vSphere simulator as a process: built when its sources changed, started on a free port, ended by its pid.

Built from Debian's packages alone (the library of govmomi, and Go), which are installed when they are missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from drivers.vsphere.client.transport import tls_context
from drivers.vsphere.settings import Settings

SOURCES = Path(__file__).parent
CACHE = SOURCES.parent.parent / ".cache"
LIBRARY = Path("/usr/share/gocode/src/github.com/vmware/govmomi/simulator")
PACKAGES = ("golang-go", "golang-github-vmware-govmomi-dev", "openssl")
USER, PASSWORD = "reberth@vsphere.local", "S3cret-of-the-tests"
DATACENTER, DATASTORE = "DC0", "LocalDS_0"


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Two test runs at once build once."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def binary() -> Path:
    digest = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.go")):
        digest.update(source.name.encode() + source.read_bytes())
    built = CACHE / f"vcsim-{digest.hexdigest()[:16]}"
    with _alone("vcsim"):
        if not built.exists():
            _packages()
            _build(built)
    return built


def _packages() -> None:
    if shutil.which("go") and shutil.which("openssl") and LIBRARY.is_dir():
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _build(target: Path) -> None:
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(CACHE / "go-build"),
    }
    fresh = target.with_suffix(".new")
    command = ["nice", "-n", "15", "go", "build", "-p", "1", "-trimpath", "-ldflags=-s -w", "-o", str(fresh), "."]
    subprocess.run(command, check=True, cwd=SOURCES, env=environment)
    fresh.rename(target)


@functools.cache
def certificate() -> tuple[Path, Path]:
    """A certificate and its key for 127.0.0.1; the library's own is too weak for OpenSSL."""
    cert, key = CACHE / "vcsim-cert.pem", CACHE / "vcsim-key.pem"
    with _alone("vcsim"):
        if not (cert.exists() and key.exists()):
            _packages()
            subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", *subject]
            extra = ["-addext", "basicConstraints=critical,CA:TRUE", "-keyout", str(key), "-out", str(cert)]
            subprocess.run([*command, *extra], check=True, capture_output=True)
    return cert, key


def thumbprint() -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate()[0].read_text())).hexdigest()


@dataclass(frozen=True, slots=True)
class Spec:
    """``faults``: with our fault layer; else the library as it is."""

    faults: bool = False
    hosts: int = 3
    vms: int = 3
    stale_lock: str = "16s"
    task_time: str = "0s"
    session_idle: str = "0s"
    address: str = "127.0.0.1"
    datastores: int = 1
    page: int = 0  # objects in one answer, at most; 0: all
    disks: int = 0  # of each VM, beside its first one


STOCK = Spec()
FAULTS = Spec(faults=True)


class Simulator:
    def __init__(self, spec: Spec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        self.user_file, self.password_file = folder / "user", folder / "password"
        self.user_file.write_text(USER + "\n")
        self.password_file.write_text(PASSWORD + "\n")
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self._context: ssl.SSLContext | None = None

    def start(self) -> None:
        cert, key = certificate()
        spec = self.spec
        command = [str(binary()), "-l", f"{spec.address}:{self.port}", "-username", USER, "-password", PASSWORD]
        command += ["-tlscert", str(cert), "-tlskey", str(key), "-host", str(spec.hosts), "-vm", str(spec.vms)]
        command += ["-stale-lock", spec.stale_lock, "-task-time", spec.task_time, "-session-idle", spec.session_idle]
        command += ["-page", str(spec.page), "-ds", str(spec.datastores), "-disks", str(spec.disks)]
        if spec.faults:
            command.append("-faults")
        with (self.folder / "vcsim.log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # it ends with us
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "TMPDIR": str(self.folder)},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("READY "), (self.folder / "vcsim.log").read_text()
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process = None

    def settings(self, **changes: object) -> dict[str, object]:
        return {
            "host": self.spec.address,
            "port": self.port,
            "user_file": str(self.user_file),
            "password_file": str(self.password_file),
            **self._trust(),
            # The library's updates do not tell of changed settings.
            **({} if self.spec.faults or self.spec.page else {"whole_look": 0}),
            "datacenter": DATACENTER,
            "datastore": DATASTORE,
            **changes,
        }

    def _trust(self) -> dict[str, object]:
        # The certificate names 127.0.0.1 only.
        return {"ca_file": str(certificate()[0])} if self.spec.address == "127.0.0.1" else {"thumbprint": thumbprint()}

    def change_password(self, password: str) -> None:
        """For new logins; our own settings know it too."""
        self.fault("password", user=USER, password=password)
        self.password_file.write_text(password + "\n")

    def fault(self, fault: str, /, **form: str) -> str:
        """Tell the fault layer."""
        assert self.spec.faults
        self._context = self._context or tls_context(Settings.parse(self.settings()))
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(
            f"https://{self.spec.address}:{self.port}/_fault/{fault}", data, context=self._context
        ) as answer:
            text: str = answer.read().decode()
        return text


class Started:
    """A simulator in a temporary folder, for a ``with``."""

    def __init__(self, spec: Spec = STOCK) -> None:
        self._spec = spec

    def __enter__(self) -> Simulator:
        self._folder = Path(tempfile.mkdtemp(prefix="vcsim-"))
        self._simulator = Simulator(self._spec, self._folder)
        self._simulator.start()
        return self._simulator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._simulator.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
