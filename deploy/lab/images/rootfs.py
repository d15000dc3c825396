"""The images' base, made from Debian's packages: no image registry is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.lab.images.builder import BuildFailed

SUITE = "bookworm"  # of the images, whatever the machine runs: it has PostgreSQL 15
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
PACKAGES = ("ca-certificates", "e2fsprogs", "mount", "python3", "python3-venv", "util-linux", "xfsprogs")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

# What mmdebstrap mounts in the new system is gone with it, however it ends: a clean-up must never meet our /sys there.
_OWN_MOUNTS = ("setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child")
_LEAVE_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def make_base(target: Path) -> None:
    """
    Write the base's file system to ``target`` (tar). Takes about 35 s and 70 MB of downloads.

    The machine's own certificate authorities go in, so that builds on it reach the package mirrors through whatever
    stands between. Raises BuildFailed.
    """
    debootstrap(target, SUITE, PACKAGES, "--variant=apt", *_certificates())


def debootstrap(target: Path, suite: str, packages: Sequence[str], *options: str) -> None:
    """A Debian system without documents, as a tar or a folder. Raises BuildFailed."""
    command = [
        *_OWN_MOUNTS,
        "mmdebstrap",
        "--quiet",
        f"--include={','.join(packages)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT),
        *options,
        suite,
        str(target),
        *sources(suite),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(
            f"mmdebstrap could not make {target.name} from {', '.join(sources(suite))}: {done.stderr.strip()[-1500:]}"
        )


def _certificates() -> list[str]:
    if not CERTIFICATES.exists():
        return []
    return [f"--customize-hook=upload {CERTIFICATES} {CERTIFICATES}"]


def sources(suite: str = SUITE) -> list[str]:
    """Apt source lines for a suite, from the mirrors that the machine uses, else Debian's own."""
    mirror, security = MIRROR, SECURITY
    form = "--format=$(ORIGIN)|$(CODENAME)|$(REPO_URI)"
    known = subprocess.run(
        ["apt-get", "indextargets", form], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    for line in known.stdout.splitlines():
        origin, codename, uri = line.split("|", 2)
        if origin == "Debian" and uri.startswith("http"):
            if codename.endswith("-security"):
                security = uri.rstrip("/")
            elif "-" not in codename:
                mirror = uri.rstrip("/")
    return [
        f"deb {mirror} {suite} main",
        f"deb {mirror} {suite}-updates main",
        f"deb {security} {suite}-security main",
    ]
