"""
A libvirtd of the tests' own, in namespaces: its files, sockets, processes and network are apart from the machine's.

When its first process is killed, its QEMU processes and mounts are gone with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from controller.model import VmId
from deploy.lab.kernel import processes
from deploy.lab.vms.daemon import Daemon, define_pool
from drivers.libvirt.client import library
from tests.libvirtd.guest import Boot

# QEMU 7.2's TCG crashes Linux guests that use cmpxchg16b.
_DOMAIN = """
<domain type='qemu'>
  <name>{name}</name><uuid>{vm}</uuid><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <cpu mode='maximum' check='none'>
    <feature policy='disable' name='cx16'/><feature policy='disable' name='la57'/>
  </cpu>
  <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {controller}
    <serial type='file'><source path='{serial}'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""
# No firewall, no name server, and no DHCP server: its leases are written by hand.
_NETWORK = """
<network>
  <name>lan</name><forward mode='open'/><bridge name='virbrlan' stp='off'/><dns enable='no'/>
  <ip address='10.77.7.1' netmask='255.255.255.0'/>
</network>
"""
_COPYING = Path("/usr/bin/qemu-img")
_SILENT = """
import ctypes, os, sys
libc, folder, end = ctypes.CDLL(None), sys.argv[1].encode(), os.open("/dev/fuse", os.O_RDWR)
print(libc.mount(b"silent", folder, b"fuse", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0" % end), flush=True)
sys.stdin.read()
print(libc.umount2(folder, 2))
"""
CONTROLLER = "<controller type='scsi' index='0' model='virtio-scsi'/>"


class Hypervisor:
    def __init__(self, folder: Path, pool: Path, own_network: bool = True) -> None:
        self.folder = folder
        self.pool = pool
        self._daemon = Daemon(folder, own_network)
        self.uri = self._daemon.uri
        self._process = self._daemon.start()
        self._connection: Any = self._daemon.connect(self._process)
        define_pool(self.connection, pool)

    @property
    def connection(self) -> Any:
        if self._connection is None or self._connection.isAlive() != 1:
            self._connection = library().open(self.uri)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._process.kill()
        self._process.wait()

    def daemon_pids(self) -> list[int]:
        return self.pids("libvirtd")

    def pids(self, program: str) -> list[int]:
        return [pid for pid, argv in self._processes() if argv[0].endswith(program)]

    def qemu_pid(self, vm: VmId) -> int:
        (pid,) = [pid for pid, argv in self._processes() if "qemu-system" in argv[0] and str(vm) in argv]
        return pid

    def _processes(self) -> list[tuple[int, list[str]]]:
        """Those in our PID namespace."""
        found = []
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                ours = (proc / "ns/pid").readlink() == self._namespace
                argv = (proc / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if ours and argv[0]:
                found.append((int(proc.name), argv))
        return found

    @property
    def _namespace(self) -> Path:
        return Path(f"/proc/{self._process.pid}/ns/pid_for_children").readlink()

    @contextmanager
    def slow_copies(self, rate: int = 24 << 20) -> Iterator[None]:
        """QEMU's copying program, which libvirt calls, writes so many bytes a second: else it is over unseen."""
        self._wrap_copying(rate)
        self._slow.touch()
        try:
            yield
        finally:
            self._slow.unlink()

    @property
    def _slow(self) -> Path:
        return self.folder / "slow"

    def _wrap_copying(self, rate: int) -> None:
        """In our mount namespace only."""
        wrapper, real = self.folder / "wrapper", self.folder / "qemu-img"
        if real.exists():
            return
        real.touch()
        wrapper.write_text(
            f'#!/bin/sh\n[ "$1" = convert ] && [ -e {self._slow} ] && shift && exec {real} convert -r {rate} "$@"\n'
            f'exec {real} "$@"\n'
        )
        wrapper.chmod(0o755)
        for what, where in ((_COPYING, real), (wrapper, _COPYING)):
            subprocess.run([*self._inside, "mount", "--bind", str(what), str(where)], check=True)

    @property
    def _inside(self) -> list[str]:
        """Begins a command in our mount namespace."""
        return ["nsenter", f"--mount=/proc/{self.daemon_pids()[0]}/ns/mnt"]

    @contextmanager
    def hanging(self, pool: str) -> Iterator[None]:
        """
        libvirtd refreshes a pool whose folder answers nothing, as with a file server that is gone.

        It is a file system of FUSE's whose program never reads what it is asked. After the block it fails at once.
        """
        found = self.connection.storagePoolLookupByName(pool)
        folder = ET.fromstring(found.XMLDesc(0)).findtext("target/path") or ""  # noqa: S314 - our own
        silent = subprocess.Popen(
            [*self._inside, sys.executable, "-c", _SILENT, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert silent.stdout is not None
        assert silent.stdout.readline() == b"0\n"
        refreshing = threading.Thread(target=_refresh, args=(self.uri, pool))
        refreshing.start()
        try:
            until(self._waits, f"libvirtd waits for {folder}")
            yield
        finally:
            assert silent.communicate()[0] == b"0\n"
            refreshing.join()

    def _waits(self) -> bool:
        states = Path(f"/proc/{self.daemon_pids()[0]}/task").glob("*/wchan")
        return any(state.read_text().startswith(("fuse_get_req", "request_wait_answer")) for state in states)

    def add_pool(self, name: str, folder: Path) -> None:
        """Beside the one that there always is, until the next `reset`."""
        define_pool(self.connection, folder, name)

    def stop_daemon(self) -> None:
        """The hypervisor's manager dies; the VMs go on."""
        (self.folder / "stay-down").touch()
        while found := self.daemon_pids():
            for pid in found:
                processes.kill(pid)
                assert processes.wait_gone(pid, 30)  # to its very end: its name is gone before its sockets are closed

    def start_daemon(self) -> None:
        (self.folder / "run/network/lan.xml").unlink(missing_ok=True)  # libvirt 9.0 crashes over it without dnsmasq
        (self.folder / "stay-down").unlink(missing_ok=True)
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        until(self._answers, f"libvirtd answers (log: {self.folder}/log)", 60)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._daemon.log.read_text()
        try:
            return bool(self.connection.getVersion())
        except library().libvirtError:
            return False

    def define(
        self, boot: Boot | None = None, vm: VmId | None = None, controller: str = CONTROLLER, name: str | None = None
    ) -> VmId:
        vm = vm or VmId(str(uuid.uuid4()))
        kernel = (
            ""
            if boot is None
            else f"<kernel>{boot.kernel}</kernel><initrd>{boot.initrd}</initrd>"
            f"<cmdline>console=ttyS0 quiet loglevel=4 who={vm}</cmdline>"
        )
        xml = _DOMAIN.format(
            name=name or f"vm-{vm[:8]}",
            vm=vm,
            memory=192 if boot else 32,
            boot=kernel,
            controller=controller,
            serial=self.serial(vm),
        )
        self.connection.defineXML(xml)
        return vm

    def serial(self, vm: VmId) -> Path:
        return self.folder / f"{vm}.serial"

    def console(self, vm: VmId) -> str:
        return self.serial(vm).read_text(errors="replace") if self.serial(vm).exists() else ""

    def domain(self, vm: VmId) -> Any:
        return self.connection.lookupByUUIDString(vm)

    def start(self, vm: VmId) -> None:
        if not self.domain(vm).isActive():
            self.domain(vm).create()

    def stop(self, vm: VmId) -> None:
        _switch_off(self.domain(vm))

    def lease(self, vm: VmId) -> str:
        """Starts a VM again with a card on a network of libvirt's, whose DHCP server has given it this address."""
        leases = self.folder / "lib/dnsmasq/virbrlan.status"
        leases.parent.mkdir(exist_ok=True)
        if not self.connection.listAllNetworks(2):  # active ones; the bridge of one outlives a libvirtd that was killed
            inside = ["nsenter", f"--net=/proc/{self.daemon_pids()[0]}/ns/net"]
            subprocess.run([*inside, "ip", "link", "delete", "virbrlan"], check=False, capture_output=True)
            self.connection.networkDefineXML(_NETWORK).create()
            leases.write_text("[]")
        found = json.loads(leases.read_text())
        mac, address = f"52:54:00:00:07:{len(found) + 2:02x}", f"10.77.7.{len(found) + 2}"
        leases.write_text(json.dumps([*found, {"ip-address": address, "mac-address": mac, "expiry-time": 2**31}]))
        card = f"<mac address='{mac}'/><source network='lan'/><model type='virtio'/>"
        self.domain(vm).attachDeviceFlags(f"<interface type='network'>{card}</interface>", 2)
        self.stop(vm)
        self.start(vm)
        return address

    def reset(self) -> None:
        """No VMs, no networks, no disks, no pool but one."""
        self.start_daemon()
        for domain in self.connection.listAllDomains(0):
            _switch_off(domain)
            domain.undefineFlags(1 | 2)  # with the image of its memory, and what is known of snapshots
        for network in self.connection.listAllNetworks(0):
            if network.isActive():
                network.destroy()
            network.undefine()
        for pool in self.connection.listAllStoragePools(0):
            if pool.name() != "reberth":
                if pool.isActive():
                    pool.destroy()
                pool.undefine()
        for file in self.pool.iterdir():
            file.unlink()
        self.connection.storagePoolLookupByName("reberth").refresh(0)


def _switch_off(domain: Any) -> None:
    """Nothing to do where it is off, also since a moment ago: its process may have ended by itself."""
    try:
        domain.destroy()
    except library().libvirtError as error:
        if error.get_error_code() != library().VIR_ERR_OPERATION_INVALID:
            raise


def _refresh(uri: str, pool: str) -> None:
    """Ends with an error, when the folder fails."""
    with suppress(library().libvirtError):
        library().open(uri).storagePoolLookupByName(pool).refresh(0)


def until(holds: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
