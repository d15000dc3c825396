"""
A Ceph cluster for tests: one monitor and one OSD of Debian's, real ones, with cephx and keys of their own.

All of it lives in one folder and in two processes, which are ended with it. It shortens what expires by itself: who
is not heard of for 5 s is no watcher any more, and a blocklist entry whose maker names no end lasts 4 s. So what holds
for longer here was made to.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from deploy.lab.kernel import processes
from tests.support.ports import free_ports

ADDRESS = "127.0.0.1"
POOL = "reberth"
WATCH_SECONDS = 5  # osd_client_watch_timeout; Ceph's default is 30
EXPIRY_SECONDS = 4  # mon_osd_blocklist_default_expire; Ceph's default is 3600
# The rights that docs/ceph.md gives out.
CONTROLLER = {"mon": 'profile rbd, allow command "osd blocklist"', "osd": f"profile rbd pool={POOL}"}
HYPERVISOR = {"mon": "profile rbd", "osd": f"profile rbd pool={POOL}"}
_CONF = """
[global]
fsid = {fsid}
mon_host = [v2:{address}:{v2}/0,v1:{address}:{v1}/0]
public_addr = {address}
ms_bind_ipv6 = false
keyring = {folder}/keyring
run_dir = {folder}/run
admin_socket = {folder}/run/$name.$pid.$cctid.asok
log_file = {folder}/log/$name.log
crash_dir = {folder}/log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
osd_client_watch_timeout = {watch}
mon_osd_blocklist_default_expire = {expiry}
[mon]
mon_data = {folder}/mon
mon_cluster_log_file = {folder}/log/cluster.log
mon_data_avail_crit = 1
auth_allow_insecure_global_id_reclaim = false
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_tick_interval = 1
[osd]
osd_data = {folder}/osd
keyring = {folder}/osd/keyring
osd_objectstore = memstore
memstore_device_bytes = 2147483648
[client]
log_file = /dev/null
"""


class Ceph:
    """Blocks; up and with its pool when it is made. ``folder``: its name is short, sockets are in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "ceph.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("run", "log", "mon", "osd"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        v1, self.v2 = free_ports(2, ADDRESS)
        fsid = str(uuid.uuid4())
        self.conf.write_text(
            _CONF.format(
                fsid=fsid,
                address=ADDRESS,
                v1=v1,
                v2=self.v2,
                folder=folder,
                watch=WATCH_SECONDS,
                expiry=EXPIRY_SECONDS,
            )
        )
        try:
            self._make(fsid, v1)
        except BaseException:
            self.close()
            raise

    @property
    def monitor(self) -> str:
        return f"{ADDRESS}:{self.v2}"

    def _make(self, fsid: str, v1: int) -> None:
        folder = self.folder
        everything = [word for kind in ("mon", "osd", "mgr") for word in ("--cap", kind, "allow *")]
        new = ("ceph-authtool", "--create-keyring")
        _run(*new, f"{folder}/keyring", "--gen-key", "-n", "client.admin", *everything)
        _run(*new, f"{folder}/mon.keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        _run("ceph-authtool", f"{folder}/mon.keyring", "--import-keyring", f"{folder}/keyring")
        where = f"[v2:{ADDRESS}:{self.v2},v1:{ADDRESS}:{v1}]"
        _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", where, f"{folder}/monmap")
        mkfs = ("--mkfs", "--monmap", f"{folder}/monmap", "--keyring", f"{folder}/mon.keyring")
        _run("ceph-mon", "-c", str(self.conf), "-i", "a", *mkfs)
        self.start("mon")
        self._make_osd()
        self.ceph("osd", "pool", "create", POOL, "8", "8")
        _run("rbd", "-c", str(self.conf), "pool", "init", POOL)

    def _make_osd(self) -> None:
        osd, key = str(uuid.uuid4()), _run("ceph-authtool", "--gen-print-key").strip()
        secret = json.dumps({"cephx_secret": key})
        _run("ceph", "-c", str(self.conf), "--connect-timeout", "60", "osd", "new", osd, "-i", "-", given=secret)
        _run("ceph-authtool", "--create-keyring", f"{self.folder}/osd/keyring", "-n", "osd.0", "--add-key", key)
        _run("ceph-osd", "-c", str(self.conf), "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.start("osd")
        _until(lambda: "1 up" in self.ceph("osd", "stat"), "the OSD is up")

    def start(self, kind: str) -> None:
        """``mon`` or ``osd``."""
        name = {"mon": "a", "osd": "0"}[kind]
        with (self.folder / "log" / f"{kind}.out").open("ab") as log:
            self._daemons[kind] = subprocess.Popen(
                [f"ceph-{kind}", "-f", "-c", str(self.conf), "-i", name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def freeze(self, kind: str) -> None:
        os.kill(self._daemons[kind].pid, signal.SIGSTOP)

    def thaw(self, kind: str) -> None:
        os.kill(self._daemons[kind].pid, signal.SIGCONT)

    def ceph(self, *words: str) -> str:
        """As its administrator."""
        return _run("ceph", "-c", str(self.conf), "--connect-timeout", "60", *words)

    def rbd(self, *words: str, given: str = "") -> str:
        return _run("rbd", "-c", str(self.conf), "-p", POOL, *words, given=given)

    def user(self, name: str, rights: dict[str, str]) -> Path:
        """The keyring of a client with these rights."""
        keyring = self.folder / f"{name}.keyring"
        words = [word for kind, right in rights.items() for word in (kind, right)]
        keyring.write_text(self.ceph("auth", "get-or-create", f"client.{name}", *words))
        return keyring

    def key(self, name: str) -> str:
        return self.ceph("auth", "print-key", f"client.{name}").strip()

    def images(self) -> list[str]:
        return list(json.loads(self.rbd("ls", "--format", "json")))

    def reset(self) -> None:
        """No images. Whoever had one open is gone."""
        for image in self.images():
            _until(lambda image=image: self._removed(image), f"the image {image} is removed")  # type: ignore[misc]

    def _removed(self, image: str) -> bool:
        done = subprocess.run(
            ["rbd", "-c", str(self.conf), "-p", POOL, "rm", "--no-progress", image], capture_output=True, check=False
        )
        return done.returncode in {0, 2}

    def close(self) -> None:
        for daemon in self._daemons.values():
            processes.kill(daemon.pid)
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _run(*argv: str, given: str = "") -> str:
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def _until(holds: Callable[[], object], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)
