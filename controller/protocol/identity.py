"""
Swarm's node certificates -> TLS contexts and the identity of a peer.

A node's certificate (``swarm/certificates`` in Docker's data folder) has O = cluster, OU = ``swarm-manager`` or
``swarm-worker``, CN = node ID, the OU and the node ID as DNS names, and may be used by clients and servers (seen with
dockerd 20.10 and 26.1). Swarm renews it in place; `SwarmIdentity` notices. ``certificates`` may be any folder with the
same three file names, so that a certificate from Docker secrets can stand in where the swarm is locked.

The key never touches a disk of ours: its file has PEM headers that OpenSSL refuses, so a cleaned copy is handed over
in a sealed memory file.
"""

from __future__ import annotations

import fcntl
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import structlog

from controller.model import NodeId
from controller.names import MANAGER_NAME

CERTIFICATE, KEY, ROOT = "swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"

_log = structlog.get_logger(__name__)


class IdentityError(Exception):
    """A certificate, ours or the peer's, cannot be used; the text says why and names the cure."""


class Role(Enum):
    MANAGER = "manager"
    WORKER = "worker"


_ROLES = {MANAGER_NAME: Role.MANAGER, "swarm-worker": Role.WORKER}


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a verified Swarm certificate names. ``expires``: seconds since the epoch."""

    node: NodeId
    role: Role
    cluster: str
    expires: float = 0.0


def client_context(certificates: Path) -> ssl.SSLContext:
    """
    For connections to a controller: pass ``server_hostname=MANAGER_NAME``, which only managers' certificates carry.

    Raises IdentityError.
    """
    return _context(certificates, ssl.PROTOCOL_TLS_CLIENT)


def server_context(certificates: Path, callers: Path | None = None) -> ssl.SSLContext:
    """
    For the controller: every caller must show a certificate of this swarm, or, where it is said, of the CA in the file
    ``callers`` alone. Raises IdentityError.
    """
    context = _context(certificates, ssl.PROTOCOL_TLS_SERVER, callers)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # who comes again shows its certificate again: it may have ended
    return context


def peer(connection: ssl.SSLObject | ssl.SSLSocket | None) -> Peer:
    """Who is at the other end of a verified connection. Raises IdentityError."""
    certificate = connection.getpeercert() if connection is not None else None
    if not certificate:
        raise IdentityError("the caller showed no certificate: it has to use the Swarm certificate of its node")
    return _decode(certificate)


def whoami(certificates: Path) -> Peer:
    """
    Who we are, proven: a handshake with ourselves in memory, which finds whatever a real peer would find wrong.

    Raises IdentityError for an expired certificate, one of another CA, a key that does not fit.
    """
    client, server = client_context(certificates), server_context(certificates)
    client.check_hostname = False  # the node ID is what we want to learn
    return _handshake(client, server)


class SwarmIdentity:
    """
    The contexts of one node, rebuilt when Swarm renews the certificate or rotates its root.

    ``client`` is to be asked for again for each connection (it costs three ``stat`` calls). ``server`` stays valid:
    each handshake picks the newest certificate. While a renewal is half done, the last good contexts are used.
    """

    def __init__(self, certificates: Path) -> None:
        """Raises IdentityError when there is no usable certificate at the start."""
        self._certificates = certificates
        self._callers: list[Path | None] = [None]
        self._seen = self._complained = _fingerprint(certificates)
        self._load()
        self.server = self._front(None)

    @property
    def me(self) -> Peer:
        self._refresh()
        return self._me

    @property
    def client(self) -> ssl.SSLContext:
        self._refresh()
        return self._client

    def server_for(self, callers: Path) -> ssl.SSLContext:
        """Like ``server``, for those whom the CA in a file vouches for; not Swarm's. Raises IdentityError."""
        if _vouches(self._certificates, callers):
            why = f"the CA in {callers} vouches for this swarm's nodes: make one for people (deploy/operators.sh ca)"
            raise IdentityError(why)
        self._callers.append(callers)
        self._load()
        return self._front(callers)

    def peer(self, connection: ssl.SSLObject | ssl.SSLSocket | None) -> Peer:
        """Like `peer`, and of our own swarm: an external CA may serve several. Raises IdentityError."""
        found = peer(connection)
        if found.cluster != self._me.cluster:
            raise IdentityError(
                f"node {found.node} belongs to swarm {found.cluster}, this is {self._me.cluster}: "
                "point its settings at its own controllers"
            )
        return found

    def _load(self) -> None:
        self._me = whoami(self._certificates)
        self._client = client_context(self._certificates)
        self._servers = {each: server_context(self._certificates, each) for each in self._callers}

    def _refresh(self) -> None:
        seen = _fingerprint(self._certificates)
        if seen == self._seen:
            return
        try:
            self._load()
        except IdentityError as error:
            if seen != self._complained:  # once for each state of the files, not for each connection
                self._complained = seen
                _log.warning("identity.reload_failed", why=str(error))
            return
        self._seen = seen
        _log.info("identity.reloaded", why="the certificate files changed", node=self._me.node)

    def _front(self, callers: Path | None) -> ssl.SSLContext:
        """It stays, and hands each connection on to the newest."""

        def newest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            self._refresh()
            connection.context = self._servers[callers]

        front = server_context(self._certificates, callers)
        front.sni_callback = newest  # in every handshake, also without a server name
        return front


def _fingerprint(certificates: Path) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stamp(certificates / name) for name in (CERTIFICATE, KEY, ROOT))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _context(certificates: Path, protocol: int, others: Path | None = None) -> ssl.SSLContext:
    chain = _read(certificates / CERTIFICATE)
    key = _clean_key(_read(certificates / KEY), certificates / KEY)
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if others is not None:
            _trust(context, others)
        else:  # only the swarm's own root: no public CA may vouch for a node
            context.load_verify_locations(cadata=_read(certificates / ROOT).decode("ascii"))
        with _memory_file(chain + b"\n" + key) as path:
            context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise IdentityError(
            f"the certificate and key in {certificates} cannot be used ({error}): if Swarm is just renewing them this "
            "ends by itself; otherwise run `docker swarm ca --rotate` or let the node leave and join again"
        ) from error
    return context


def _trust(context: ssl.SSLContext, authority: Path) -> None:
    """What the file has: a CA's certificate, and its list of those that it took back. Raises IdentityError."""
    try:
        context.load_verify_locations(cafile=authority)
        if b"BEGIN X509 CRL" in authority.read_bytes():
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (ssl.SSLError, OSError) as error:
        raise IdentityError(f"the CA in {authority} cannot be used ({error}): deploy/operators.sh makes one") from error
    if not context.get_ca_certs():
        raise IdentityError(f"the certificate in {authority} is no CA's: deploy/operators.sh makes one")


def _vouches(certificates: Path, authority: Path) -> bool:
    """Whether the CA in that file would let our own node's certificate in."""
    client, server = client_context(certificates), server_context(certificates, authority)
    client.check_hostname = False
    try:
        _handshake(client, server)
    except IdentityError:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IdentityError(
            f"cannot read {path} ({error.strerror}): this node is not part of a swarm, or the folder "
            "swarm/certificates of Docker's data folder is not mounted here"
        ) from error


def _clean_key(pem: bytes, path: Path) -> bytes:
    """Without the headers ``kek-version`` and ``raft-dek`` (and the blank line after them)."""
    lines = pem.splitlines()
    if any(b"ENCRYPTED" in line for line in lines):
        raise IdentityError(
            f"{path} is encrypted, because the swarm is locked (autolock): put a certificate and key of its CA "
            "into Docker secrets, mounted as swarm-node.crt, swarm-node.key and swarm-root-ca.crt, and set "
            "`certificates` to their folder; or run `docker swarm update --autolock=false`"
        )
    return b"\n".join(line for line in lines if line and b":" not in line) + b"\n"


def _no_password() -> str:
    # Without this OpenSSL would ask at the terminal.
    raise IdentityError("the key is encrypted: give one without a passphrase")


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """A path for ``ssl``, which reads only files, to a file that exists in memory alone and cannot be changed."""
    handle = os.memfd_create("reberth-identity", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(handle, content)
        fcntl.fcntl(
            handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        )
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> Peer:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(4):  # TLS 1.3 needs two rounds; a handshake that stalls would otherwise loop for ever
            for end in (near, far):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLCertVerificationError as error:
        raise IdentityError(
            f"this node's own certificate does not stand ({error.verify_message}): check the clock; if it is right, "
            "run `docker swarm ca --rotate`, or let the node leave the swarm and join again"
        ) from error
    except ssl.SSLError as error:
        raise IdentityError(f"this node's own certificate does not work for TLS ({error})") from error
    return peer(near)


def _decode(certificate: dict[str, Any]) -> Peer:
    subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
    unit = subject.get("organizationalUnitName", "")
    node, cluster = subject.get("commonName", ""), subject.get("organizationName", "")
    role = _ROLES.get(unit)
    if role is None or not node or not cluster:
        raise IdentityError(
            f"the certificate is for OU={unit!r}, CN={node!r}: that is no Swarm node; "
            "use the certificate that Swarm gave to the node"
        )
    return Peer(NodeId(node), role, cluster, ssl.cert_time_to_seconds(certificate["notAfter"]))
