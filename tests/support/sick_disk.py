"""
A real block device that stalls or fails on purpose: a loop device on a file that a small FUSE server of ours keeps.

Stopped (SIGSTOP), it answers nothing: whoever reads or writes the disk waits in the kernel, uninterruptibly, as on a
storage that lost its paths. Told so by a file beside it, it answers reads or writes with an error, as a storage that is
full or broken does. Its end fails all that waits, so nothing is left behind in the kernel.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import sick_server
from tests.support.gate_rig import MIB, Disk
from tests.support.sick_server import NAME


@dataclass
class SickDisk(Disk):
    server: int = 0
    fault: Path = Path()

    def stall(self) -> None:
        os.kill(self.server, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.server, signal.SIGCONT)

    def fail(self, what: str, number: int) -> None:
        """``what``: read, write or all."""
        fresh = self.fault.with_suffix(".new")
        fresh.write_text(f"{what} {number}", "ascii")
        fresh.replace(self.fault)

    def mend(self) -> None:
        self.fault.unlink(missing_ok=True)


@contextmanager
def sick_disk(directory: Path, name: str = "vol1", size: int = 64 * MIB) -> Iterator[SickDisk]:
    image, folder, fault = (directory / f"sick-{name}{end}" for end in (".img", "", ".fault"))
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    server = subprocess.Popen([sys.executable, "-I", sick_server.__file__, folder, image, fault])
    loop = ""
    try:
        _wait_for(folder / NAME.decode())
        found = subprocess.run(
            ["losetup", "--find", "--show", "--nooverlap", str(folder / NAME.decode())],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        loop = found.stdout.strip()
        made = SickDisk(image, loop, directory / "by-id", name, server=server.pid, fault=fault)
        made.plug()
        yield made
    finally:
        fault.unlink(missing_ok=True)
        server.send_signal(signal.SIGCONT)
        if loop:
            subprocess.run(["losetup", "--detach", loop], check=False)
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        server.kill()
        server.wait()


def _wait_for(path: Path) -> None:
    ends = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > ends:
            raise TimeoutError(path)
        time.sleep(0.01)
