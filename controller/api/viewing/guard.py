"""
Who may read over HTTP: under which name it is asked for (`hosts`), and with which token.

The token is a Docker secret. It comes as ``Authorization: Bearer TOKEN``, or as the password of a browser's own box
(any user). It is compared in constant time and never logged. HTTP is plain: a token is as secret as the network is.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path

from controller.api.viewing.hosts import REFUSED, trusted
from controller.protocol.answers import Rejection, Status
from controller.settings import Settings, SettingsError

CHALLENGE = 'Basic realm="Reberth", charset="UTF-8"'
LEAST = 16  # characters: it cannot be tried out over HTTP
_ASKED_FOR = "this asks for a token: `Authorization: Bearer TOKEN`, or in a browser any user, and the token as password"


class Guard:
    """``token`` None: nobody is asked for one."""

    def __init__(self, token: bytes | None = None) -> None:
        self._token = token
        self._own = frozenset({socket.gethostname().lower()})

    def refusal(self, headers: Mapping[str, str]) -> Rejection | None:
        name = headers.get("Host")
        if not trusted(name, self._own):
            return Rejection(Status.MISDIRECTED, REFUSED.format(name=name))
        if self._token is None or hmac.compare_digest(_said(headers.get("Authorization", "")), self._token):
            return None
        return Rejection(Status.UNAUTHORIZED, _ASKED_FOR)


def _said(header: str) -> bytes:
    """The token in an Authorization header; empty where there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def token_of(settings: Settings) -> bytes | None:
    """Raises SettingsError: also where anybody on the network could read, and nobody has said that they may."""
    file = settings.http_token_file
    if file is not None:
        return _read(file)
    if settings.metrics_port and not settings.http_without_token and not _loopback(settings.metrics_listen):
        raise SettingsError(
            f"metrics_listen = {settings.metrics_listen!r} lets the network read /ui and /v1, and http_token_file is "
            "not set: name a file with a token (a Docker secret), or say http_without_token = true if whoever reaches "
            "that address may read the names of volumes, nodes and services"
        )
    return None


def _read(file: Path) -> bytes:
    try:
        token = file.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"http_token_file: {file} cannot be read: {error.strerror}") from error
    if len(token) < LEAST or any(each <= 0x20 or each >= 0x7F for each in token):
        raise SettingsError(
            f"http_token_file: {file} has no token: at least {LEAST} printable characters on one line, as of "
            "`openssl rand -hex 32`"
        )
    return token


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
