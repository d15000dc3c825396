"""
A storage array in a guest: Linux' own iSCSI target (LIO), and the agent that does what it is asked there.

Starts in about 20 s on an emulated processor. All of it ends with `Array.close`.
"""

from __future__ import annotations

import pickle
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lio.agent import PORT
from tests.lio.image import ensure
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
_CODE = ("controller/__init__.py", "controller/model.py", "controller/reservations", "tests/__init__.py", "tests/lio")
_MACHINE = ("-machine", "q35,accel=tcg", "-cpu", "max,la57=off,-cx16", "-nographic", "-no-reboot")
SECONDS = 120
TARGET = "iqn.2026-01.example:array"
INITIATOR = "iqn.2026-01.example:"  # and the name
_TARGET = r"""
set -e
T=/sys/kernel/config/target
mkdir -p /etc/target/pr $T $T/core/fileio_0
echo /etc/target >$T/dbroot 2>/dev/null || true
tpg=$T/iscsi/{target}/tpgt_1
n=0
for size in {sizes}; do
    store=$T/core/fileio_0/lun$n
    mkdir -p $store
    [ -e /run/luns/$n ] || truncate -s ${{size}}M /run/luns/$n
    echo fd_dev_name=/run/luns/$n,fd_dev_size=$((size * 1048576)) >$store/control
    echo reberth-test-$n >$store/wwn/vpd_unit_serial
    echo 1 >$store/enable
    # What the kernel wrote when a key came is given back by userland (rtslib does so), before anybody may log in.
    kept=/etc/target/pr/aptpl_reberth-test-$n
    if [ -n "{keep}" ] && [ -s $kept ]; then python3 -m tests.lio.aptpl $kept $store/pr/res_aptpl_metadata; fi
    mkdir -p $tpg/lun/lun_$n
    ln -s $store $tpg/lun/lun_$n/store
    n=$((n + 1))
done
mkdir -p $tpg/np/{portal}:3260
echo 0 >$tpg/attrib/authentication
for name in {names}; do
    mkdir -p $tpg/acls/iqn.2026-01.example:$name
    i=0
    while [ $i -lt $n ]; do
        mkdir -p $tpg/acls/iqn.2026-01.example:$name/lun_$i
        ln -s $tpg/lun/lun_$i $tpg/acls/iqn.2026-01.example:$name/lun_$i/
        i=$((i + 1))
    done
done
echo 1 >$tpg/enable
"""
_AWAY = r"""
T=/sys/kernel/config/target
tpg=$T/iscsi/{target}/tpgt_1
echo 0 >$tpg/enable
rm -f $tpg/acls/*/lun_*/lun_* ; rmdir $tpg/acls/*/lun_* $tpg/acls/* $tpg/np/* 2>/dev/null
rm -f $tpg/lun/*/store; rmdir $tpg/lun/lun_* $tpg $T/iscsi/{target} $T/core/fileio_0/* $T/core/fileio_0
true
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """``initiators``: the names that may log in. ``sizes``: of the LUNs, in MiB. ``portal``: where it listens."""

    initiators: tuple[str, ...]
    sizes: tuple[int, ...]
    portal: str = "127.0.0.1"


class Array:
    """Blocks. ``wires``: further options of QEMU; ``prepare``: what is done in the guest before it offers anything."""

    def __init__(
        self, folder: Path, offer: Offer, wires: Sequence[str] = (), prepare: str = "true", memory: int = 512
    ) -> None:
        self.folder = folder
        self.offer = offer
        self.console = folder / "console"
        image = ensure()
        with tarfile.open(folder / "code.tar", "w") as archive:
            for each in _CODE:
                archive.add(ROOT / each, each, filter=lambda each: None if "__pycache__" in each.name else each)
        self._port = free_port()
        drives = [f"file={image.disk},if=virtio,format=raw,snapshot=on", f"file={folder}/code.tar,if=virtio,format=raw"]
        with self.console.open("wb") as console:
            self._qemu = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *_MACHINE, "-m", str(memory)),
                    *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
                    *("-append", "console=ttyS0 quiet loglevel=5 panic=1 mitigations=off net.ifnames=0"),
                    *(word for drive in drives for word in ("-drive", drive)),
                    *("-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:{PORT}"),
                    *("-device", "virtio-net-pci,netdev=n"),
                    *wires,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        try:
            self._wait()
            self.shell(prepare)
            self.target()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        ends = time.monotonic() + SECONDS
        while b"AGENT-UP" not in self.console.read_bytes():
            assert self._qemu.poll() is None, self.console.read_text(errors="replace")[-2000:]
            assert time.monotonic() < ends, self.console.read_text(errors="replace")[-2000:]
            time.sleep(0.1)

    def target(self, *, keep: bool = True) -> None:
        """It is switched on. ``keep``: with what it was to keep over a loss of power (APTPL)."""
        offer = self.offer
        script = _TARGET.format(
            target=TARGET,
            portal=offer.portal,
            sizes=" ".join(map(str, offer.sizes)),
            names=" ".join(offer.initiators),
            keep="yes" if keep else "",
        )
        self.shell(script)

    def target_off(self) -> None:
        self.shell(_AWAY.format(target=TARGET))

    def restart(self, *, keep: bool) -> None:
        """Power off and on. Whoever was logged in comes back by himself."""
        self.target_off()
        self.target(keep=keep)

    def call(self, name: str, *arguments: object, seconds: float = 60) -> object:
        with (
            socket.create_connection(("127.0.0.1", self._port), seconds) as connection,
            connection.makefile("rwb") as stream,
        ):
            pickle.dump((name, arguments), stream)
            stream.flush()
            answer = pickle.load(stream)  # noqa: S301 - our own agent
        if isinstance(answer, Exception):
            raise answer
        return answer

    def shell(self, script: str, seconds: float = 60) -> str:
        code, said = self.tried(script, seconds)
        assert code == 0, f"{script[-300:]}: {said[-1500:]}"
        return said

    def tried(self, script: str, seconds: float = 60) -> tuple[int, str]:
        answer = self.call("shell", script, seconds, seconds=seconds + 10)
        assert isinstance(answer, tuple)
        return answer

    def close(self) -> None:
        self._qemu.kill()
        self._qemu.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
