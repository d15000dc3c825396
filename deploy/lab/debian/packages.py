"""
Debian's packages that a lab needs, installed without starting or enabling anything.

A Docker that is installed is used as it is and never touched; Debian's comes only where there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.lab.debian.policy_rc import ServicePolicy
from deploy.lab.names import LabError

Progress = Callable[[str], None]

# A program that must be there -> the package that has it.
PROGRAMS = {
    "dockerd": "docker.io",
    "docker": "docker-cli",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "bridge": "iproute2",
    "iptables": "iptables",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
}
_UNITS = (
    *("docker.service", "docker.socket", "containerd.service", "docker-registry.service"),
    *("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirt-guests.service"),
    *("virtlogd.service", "virtlogd.socket", "virtlogd-admin.socket"),
    *("virtlockd.service", "virtlockd.socket", "virtlockd-admin.socket"),
    *("ceph.target", "ceph-mon.target", "ceph-osd.target", "ceph-crash.service"),
)
_POLICY = ServicePolicy(Path("/usr/sbin/policy-rc.d"))
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOCK_SECONDS = 300


def missing() -> tuple[str, ...]:
    """Packages to install, in a stable order; empty when every program is there."""
    path = f"{os.environ.get('PATH', '')}:{_PATH}"
    return tuple(sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None}))


def ensure_packages(progress: Progress) -> tuple[str, ...]:
    """
    Install what is missing; the packages that were installed. Quick when nothing is missing. Raises LabError.

    The lab needs an Engine API client with `stack deploy`: Debian's docker.io has it, and so has Docker's own CLI.
    """
    _POLICY.restore()
    wanted = missing()
    if wanted:
        _check_possible(wanted)
        install([_of_this_debian(each) for each in wanted], progress)
    _check_stack_deploy()
    return wanted


def install(wanted: Sequence[str], progress: Progress) -> None:
    """Packages of this Debian, with what they need; nothing of them is started, now or at the next boot."""
    _POLICY.restore()
    progress(f"Installing {', '.join(wanted)} (nothing of it is started).")
    before = _units_present()
    with _POLICY:
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *wanted)
    _leave_off(_units_present() - before)
    progress(f"Installed {', '.join(wanted)}.")


def _check_possible(wanted: tuple[str, ...]) -> None:
    if os.geteuid() != 0:
        raise LabError(f"Packages are missing ({', '.join(wanted)}) and only root can install them: run this as root.")
    if shutil.which("apt-get") is None:
        raise LabError(
            f"Install {', '.join(wanted)} by hand: this machine has no apt-get (the lab is made for Debian)."
        )


def _of_this_debian(package: str) -> str:
    """Up to Debian 12 the docker command is in docker.io; later it has a package of its own."""
    if package != "docker-cli":
        return package
    known = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return package if known.returncode == 0 else "docker.io"


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", "-qq", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = " / ".join(done.stdout.strip().splitlines()[-3:])
        raise LabError(f"`apt-get {arguments[0]}` failed: {words}")


def _units_present() -> set[str]:
    folders = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"), Path("/etc/systemd/system"))
    return {unit for unit in _UNITS for folder in folders if (folder / unit).exists()}


def _leave_off(units: set[str]) -> None:
    """Units that came with our packages must not start at the next boot either."""
    if units and shutil.which("systemctl") is not None:
        subprocess.run(
            ["systemctl", "disable", "--quiet", *sorted(units)],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _check_stack_deploy() -> None:
    done = subprocess.run(
        ["docker", "version", "--format", "{{json .Client}}"], capture_output=True, text=True, check=False
    )
    try:
        version = str(json.loads(done.stdout)["Version"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise LabError(f"`docker version` does not work: {done.stderr.strip() or done.stdout.strip()}") from error
    if int(version.split(".", maxsplit=1)[0]) < 20:
        raise LabError(
            f"The docker command is version {version}: the lab needs 20.10 or newer for `docker stack deploy`."
        )
