"""
TLS to vCenter, always verified: by a CA or by the certificate's pinned SHA-256.

Own code, because pyVmomi 9.1 skips verification for loopback names without a context, and because its pinning turns
verification off in the shared context after the first mismatch with a CA: only the first connection is pinned.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPSConnection
from weakref import WeakSet

from drivers.vsphere.faults import NotSent
from drivers.vsphere.settings import Settings, SettingsError


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Raises SettingsError if the CA file cannot be used."""
    if settings.thumbprint is not None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # each connection compares the pinned certificate instead
        return context
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise SettingsError(f"vsphere settings: ca_file {settings.ca_file} cannot be used: {error}") from None


class Wires:
    """Makes the connections of one session, and can cut them all so that no thread hangs in one."""

    def __init__(self, settings: Settings, timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._context = tls_context(settings)
        self._live: WeakSet[_Connection] = WeakSet()
        self._cut = False

    def connection(self, host: str, port: int, **_: object) -> HTTPSConnection:
        """The factory that pyVmomi's stub calls in place of its own."""
        if self._cut:
            raise NotSent("the driver is closed")
        connection = _Connection(host, port, self._context, self._timeout, self._verify)
        self._live.add(connection)
        return connection

    def cut(self) -> None:
        self._cut = True
        for connection in list(self._live):
            connection.cut()

    def _verify(self, wire: ssl.SSLSocket) -> None:
        if self._settings.thumbprint is None:
            return
        expected = self._settings.thumbprint.replace(":", "").lower()
        found = hashlib.sha256(wire.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(found, expected):
            raise ssl.SSLCertVerificationError(
                f"its certificate has the SHA-256 {found}, which is not the thumbprint in the settings"
            )


class _Connection(HTTPSConnection):
    """Says for sure when nothing was sent: an error while connecting is `NotSent`."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, timeout: float, verify: Callable[[ssl.SSLSocket], None]
    ) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._verify = verify

    def connect(self) -> None:
        try:
            super().connect()
            self._verify(self.sock)
        except OSError as error:
            self.close()
            raise NotSent(f"no connection to {self.host}:{self.port}: {_sentence(error)}") from None

    def cut(self) -> None:
        wire = self.sock
        if wire is not None:
            try:
                # The TCP socket under TLS: closing alone does not wake a thread that reads.
                socket.socket.shutdown(wire, socket.SHUT_RDWR)
            except OSError:
                return


def _sentence(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = getattr(error, "verify_message", None) or error
        return f"its certificate is not trusted ({reason}); set ca_file or thumbprint"
    return str(error) or type(error).__name__
