"""The images' base, made from Debian's packages: no image registry is needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deploy.lab.builder import BuildFailed

SUITE = "bookworm"  # of the images, whatever the machine runs: it has PostgreSQL 15
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
PACKAGES = ("ca-certificates", "e2fsprogs", "mount", "python3", "python3-venv", "util-linux", "xfsprogs")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

_LEAVE_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def make_base(target: Path) -> None:
    """
    Write the base's file system to ``target`` (tar). Takes about 35 s and 70 MB of downloads.

    The machine's own certificate authorities go in, so that builds on it reach the package mirrors through whatever
    stands between. Raises BuildFailed.
    """
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=apt",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT),
        *_certificates(),
        SUITE,
        str(target),
        *sources(),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(
            f"mmdebstrap could not make the base image from {', '.join(sources())}: {done.stderr.strip()[-1500:]}"
        )


def _certificates() -> list[str]:
    if not CERTIFICATES.exists():
        return []
    return [f"--customize-hook=upload {CERTIFICATES} {CERTIFICATES}"]


def sources() -> list[str]:
    """Apt source lines for SUITE, from the mirrors that the machine uses, else Debian's own."""
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
        f"deb {mirror} {SUITE} main",
        f"deb {mirror} {SUITE}-updates main",
        f"deb {security} {SUITE}-security main",
    ]
