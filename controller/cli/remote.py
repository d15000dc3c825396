"""
The commands' way to a manager from afar: mutual TLS, with a person's certificate.

The flags and files have the names of Docker's own command: ``--host``, ``--tlscacert``, ``--tlscert``, ``--tlskey``;
``ca.pem``, ``cert.pem`` and ``key.pem`` in the folder ``REBERTH_CERT_PATH``. TLS is always verified: the manager shows
its Swarm certificate, so ``ca.pem`` is the swarm's root (`docker swarm ca`).
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.names import MANAGER_NAME, OPERATORS_PORT

HOST, FOLDER = "REBERTH_HOST", "REBERTH_CERT_PATH"
CA, CERTIFICATE, KEY = "REBERTH_TLS_CA_CERT", "REBERTH_TLS_CERT", "REBERTH_TLS_KEY"
CONNECT_SECONDS = 5.0


class RemoteError(Exception):
    """No manager answered; the text says why and names the cure."""


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Remote:
    """``hosts``: managers, asked in this order until one takes the connection."""

    hosts: tuple[tuple[str, int], ...]
    ca: Path
    certificate: Path
    key: Path

    def post(self, path: str, body: bytes, seconds: float) -> Said:
        """Raises RemoteError. What was sent once is sent to nobody else."""
        context = self._context()
        silent = []
        for host, port in self.hosts:
            connection = _Manager(host, port, context)
            try:
                connection.connect()
            except ssl.SSLCertVerificationError as error:
                raise RemoteError(
                    f"{host}:{port} is no manager that {self.ca} vouches for ({error.verify_message}): take the "
                    "swarm's root (`docker swarm ca` on a manager), and the right address"
                ) from error
            except OSError as error:
                silent.append(f"{host}:{port}: {error}")
                continue
            return self._ask(connection, path, body, seconds)
        raise RemoteError(f"no manager could be reached ({'; '.join(silent)}): is operators_file set there?")

    def _ask(self, connection: _Manager, path: str, body: bytes, seconds: float) -> Said:
        connection.sock.settimeout(seconds)
        try:
            return post(connection, path, body)
        except ssl.SSLError as error:  # with TLS 1.3 the other end's refusal comes with its first answer
            raise RemoteError(
                f"{connection.host} does not take {self.certificate} ({error.reason or error})"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise RemoteError(
                f"{connection.host} gave no answer ({error or type(error).__name__}): either it does not take "
                f"{self.certificate}, or it ended, and what was asked may be done"
            ) from error
        finally:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            if self.key.stat().st_mode & 0o077:
                raise RemoteError(f"others can read {self.key}: chmod 600 {self.key}")
            context.load_verify_locations(cafile=self.ca)
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # SSLError is one
            names = ", ".join(map(str, (self.ca, self.certificate, self.key)))
            raise RemoteError(f"the certificate cannot be used ({error}): {names}") from error
        return context


class _Manager(http.client.HTTPConnection):
    """TLS to whoever has a manager's certificate of that swarm, under whatever address it is reached."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=CONNECT_SECONDS)
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=MANAGER_NAME)
        except BaseException:
            plain.close()
            raise


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> Said:
    """Raises OSError and http.client.HTTPException."""
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return Said(response.status, response.read())


def remote(environment: Mapping[str, str]) -> Remote | None:
    """None: the controller on this machine is meant. Raises RemoteError."""
    text = environment.get(HOST, "").strip()
    if not text:
        return None
    folder = Path(environment.get(FOLDER) or Path.home() / ".reberth")
    ca, certificate, key = (
        Path(environment.get(name) or folder / file)
        for name, file in ((CA, "ca.pem"), (CERTIFICATE, "cert.pem"), (KEY, "key.pem"))
    )
    return Remote(tuple(_address(each) for each in text.split(",")), ca, certificate, key)


def _address(text: str) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port``; as Docker's, also after ``tcp://``."""
    host, colon, port = text.strip().removeprefix("tcp://").rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text.strip().removeprefix("tcp://"), str(OPERATORS_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in text.removeprefix("tcp://") or not (port.isdecimal() and 0 < int(port) < 2**16):
        raise RemoteError(f"{text!r} is no address of a manager: say HOST:PORT, several with commas between")
    return host, int(port)
