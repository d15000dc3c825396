"""
In the guest: does what it is asked over one TCP port, each connection in a thread of its own.

One request and one answer a connection, both pickled: it is our own test on the other side. The same machine is the
array and all of its initiators; each initiator name has its own devices, in a folder like /dev/disk/by-id.
"""

from __future__ import annotations

import pickle
import socketserver
import subprocess
from collections.abc import Callable
from pathlib import Path

from controller.reservations import registering, scsi
from controller.reservations.codec import Act
from controller.reservations.lun import opened
from controller.reservations.plate import BYTES

PORT = 7000
NEXUSES = Path("/run/nexus")


def lun(nexus: str, name: str, act: Callable[[object], object]) -> object:
    with opened(name, NEXUSES / nexus) as found:
        return act(found)


def shell(script: str, seconds: float) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout


def register(nexus: str, names: tuple[str, ...], key: int) -> registering.Word:
    return registering.register(names, key, NEXUSES / nexus)


def unregister(nexus: str, names: tuple[str, ...], key: int) -> registering.Word:
    return registering.unregister(names, key, NEXUSES / nexus)


def devices() -> list[str]:
    """Name each LUN in the folder of its initiator, as udev names it; the names of one initiator's."""
    found = set()
    for session in Path("/sys/class/iscsi_session").iterdir():
        folder = NEXUSES / (session / "ifacename").read_text().strip()
        folder.mkdir(parents=True, exist_ok=True)
        for disk in (session / "device").glob("target*/*/block/*"):
            wwid = (disk / "device/wwid").read_text().strip()
            link = folder / f"wwn-0x{wwid.removeprefix('naa.')}"
            link.unlink(missing_ok=True)
            link.symlink_to(f"/dev/{disk.name}")
            found.add(link.name)
    return sorted(found)


def reset(names: tuple[str, ...]) -> None:
    """No key, no reservation, and nothing where anybody looks first."""
    for name in names:
        with opened(name, NEXUSES / "ctl") as found:
            found.register(None, 1)
            scsi.act(found.fd, Act.CLEAR, 1, 0)
            found.wipe()
            found.name(bytes(BYTES))


ACTS: dict[str, Callable[..., object]] = {
    each.__name__: each for each in (lun, shell, register, unregister, devices, reset)
}


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        name, arguments = pickle.load(self.rfile)  # noqa: S301
        try:
            answer: object = ACTS[name](*arguments)
        except Exception as error:  # noqa: BLE001 - raised again on the other side
            answer = error
        pickle.dump(answer, self.wfile)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    with Server(("", PORT), Handler) as server:
        print("AGENT-UP", flush=True)  # noqa: T201
        server.serve_forever()


if __name__ == "__main__":
    main()
