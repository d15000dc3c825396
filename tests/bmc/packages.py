"""
What plays BMCs and asks them: ipmitool and fence-agents of Debian; sushy-tools and virtualbmc of PyPI.

The two from PyPI live in an environment of their own in .cache, with Debian's Python, whose libvirt binding they need.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from deploy.lab.debian.packages import install
from tests.libvirtd import packages as libvirtd

CACHE = Path(__file__).parents[2] / ".cache"
TOOLS = CACHE / "bmc"
_PYPI = ("sushy-tools==2.2.0", "virtualbmc==3.3.0", "bcrypt==5.0.0")
_DEBIAN = {"ipmitool": "ipmitool", "fence_redfish": "fence-agents"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def ensure() -> None:
    """Quick when nothing is missing."""
    libvirtd.ensure()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "bmc.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [package for program, package in _DEBIAN.items() if shutil.which(program, path=_PATH) is None]
        if missing:
            install(missing, print)
        complete = TOOLS / "complete"
        if not complete.exists() or complete.read_text() != " ".join(_PYPI):
            shutil.rmtree(TOOLS, ignore_errors=True)
            _make()
            complete.write_text(" ".join(_PYPI))


def _make() -> None:
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", str(TOOLS)], check=True)
    pip = [str(TOOLS / "bin/python"), "-m", "pip", "--disable-pip-version-check", "-q", "install", *_PYPI]
    subprocess.run(pip, check=True)
