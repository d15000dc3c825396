"""A certificate authority that signs node certificates as Swarm does, for tests. Made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EXTENSIONS = """
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:{unit},DNS:{node}
"""


@dataclass(frozen=True)
class SwarmCa:
    folder: Path
    cluster: str = "testcluster"

    @classmethod
    def create(cls, folder: Path, cluster: str = "testcluster") -> SwarmCa:
        folder.mkdir(parents=True, exist_ok=True)
        _key(folder / "ca.key")
        _openssl("req", "-x509", "-new", "-key", folder / "ca.key", "-subj", "/CN=swarm-ca", "-out", folder / "ca.crt")
        return cls(folder, cluster)

    def issue(self, node: str, unit: str = "swarm-manager", *, days: int = 90, into: Path | None = None) -> Path:
        """A folder like swarm/certificates for one node, with Swarm's key headers. ``days`` -1: expired yesterday."""
        into = into or self.folder / node
        into.mkdir(exist_ok=True)
        key, request, extensions = self.folder / "new.key", self.folder / "new.csr", self.folder / "new.ext"
        _key(key)
        subject = f"/O={self.cluster}/OU={unit}/CN={node}"
        _openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        extensions.write_text(_EXTENSIONS.format(unit=unit, node=node))
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.folder / "ca.crt", "-CAkey", self.folder / "ca.key"),
            *("-CAcreateserial", "-days", days, "-extfile", extensions, "-out", into / "swarm-node.crt"),
        )
        first, rest = key.read_text().split("\n", 1)
        (into / "swarm-node.key").write_text(f"{first}\nkek-version: 0\nraft-dek: EiB1xArgJjXuo1BtUiHg==\n\n{rest}")
        (into / "swarm-root-ca.crt").write_bytes((self.folder / "ca.crt").read_bytes())
        return into


def _key(path: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
