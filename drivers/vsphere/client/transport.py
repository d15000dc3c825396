"""
TLS to vCenter, always verified: by a CA or by the certificate's pinned SHA-256.

Own code, because pyVmomi 9.1 skips verification for loopback names without a context, and because its pinning turns
verification off in the shared context after the first mismatch with a CA: only the first connection is pinned.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from weakref import WeakSet

from drivers.shared.faults import NotSent
from drivers.shared.settings import SettingsError
from drivers.vsphere.settings import Settings

Shorten = Callable[[bytes], bytes]
# By OpenSSL's X509_V_ERR_ numbers: of a certificate that a known CA has signed.
_CURES = {
    9: "set the clock here, or there",
    10: "renew it there, or set the clock here",
    62: "set host to a name that the certificate has, or thumbprint",
    64: "set host to a name that the certificate has, or thumbprint",
}
_GZIP_OR_ZLIB = 47  # zlib's window bits for "whichever it is"


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
        self._shortening = _Shortening()

    @contextmanager
    def shortening(self, shorten: Shorten | None) -> Iterator[None]:
        """Answers that this thread gets meanwhile go through ``shorten`` before they are decoded; None: as they are."""
        before, self._shortening.by = self._shortening.by, shorten
        try:
            yield
        finally:
            self._shortening.by = before

    def connection(self, host: str, port: int, **_: object) -> HTTPSConnection:
        """The factory that pyVmomi's stub calls in place of its own."""
        if self._cut:
            raise NotSent("the driver is closed")
        connection = _Connection(host, port, self._context, self._timeout, self._verify, self._shortening)
        self._live.add(connection)
        return connection

    def cut(self) -> None:
        self._cut = True
        for connection in list(self._live):
            connection.cut()

    def _verify(self, wire: ssl.SSLSocket) -> None:
        if not self._settings.thumbprints:
            return
        found = hashlib.sha256(wire.getpeercert(binary_form=True) or b"").hexdigest()
        if not any(hmac.compare_digest(found, expected) for expected in self._settings.thumbprints):
            raise ssl.SSLCertVerificationError(
                f"its certificate has the SHA-256 {found}, which is not the thumbprint in the settings"
            )


class _Shortening(threading.local):
    by: Shorten | None = None


class _Shorter:
    """An answer that was read whole, with a shorter body. What pyVmomi needs of an `HTTPResponse`."""

    def __init__(self, answer: HTTPResponse, shorten: Shorten) -> None:
        self.status = answer.status
        self._answer = answer
        body = answer.read()
        if answer.getheader("Content-Encoding", "identity") != "identity":
            try:
                body = zlib.decompress(body, _GZIP_OR_ZLIB)
            except zlib.error as error:
                raise HTTPException(f"the answer cannot be unpacked: {error}") from None
        self._body = io.BytesIO(shorten(body))

    def getheader(self, name: str, default: str | None = None) -> str | None:
        return default if name.lower() == "content-encoding" else self._answer.getheader(name, default)

    def read(self, size: int = -1) -> bytes:
        return self._body.read(size)


class _Connection(HTTPSConnection):
    """Says for sure when nothing was sent: an error while connecting is `NotSent`."""

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        timeout: float,
        verify: Callable[[ssl.SSLSocket], None],
        shortening: _Shortening,
    ) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._verify = verify
        self._shortening = shortening

    def getresponse(self) -> Any:
        answer = super().getresponse()
        # Of a page that is well-formed pyVmomi makes an answer without a value: "nothing", where nobody has answered.
        if answer.status == HTTPStatus.OK and "html" in answer.getheader("Content-Type", ""):
            raise HTTPException("the answer is a web page: what stands before vCenter?")
        shorten = self._shortening.by
        return answer if shorten is None or answer.status != HTTPStatus.OK else _Shorter(answer, shorten)

    def connect(self) -> None:
        try:
            super().connect()
            self._verify(self.sock)
        except OSError as error:
            self.close()
            raise NotSent(f"no connection to {self.host}:{self.port}: {why_not(error)}") from None

    def cut(self) -> None:
        wire = self.sock
        if wire is not None:
            try:
                # The TCP socket under TLS: closing alone does not wake a thread that reads.
                socket.socket.shutdown(wire, socket.SHUT_RDWR)
            except OSError:
                return


def why_not(error: OSError) -> str:
    """Why there is no connection, and of a certificate the cure. Pure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = getattr(error, "verify_message", None) or error
        cure = _CURES.get(getattr(error, "verify_code", 0), "set ca_file or thumbprint")
        return f"its certificate is not trusted ({reason}); {cure}"
    return str(error) or type(error).__name__
