"""Credentials at a login: read anew each time, and not sent again and again when they were refused."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

from drivers.vsphere.settings import Credentials, Settings

# vCenter locks an account after 5 refused logins within 3 minutes by default; 3 minutes between tries never does.
REFUSED_PAUSE = 180.0


class LoginGuard:
    """Remembers which credentials were refused, as a salted hash; others (a rotated secret) may be tried at once."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._refused: tuple[bytes, float] | None = None

    def credentials(self) -> Credentials | float:
        """What to log in with, or for how many seconds not to try. Raises SettingsError if a file cannot be read."""
        found = Credentials.read(self._settings)
        if self._refused is not None and self._refused[0] == self._digest(found):
            left = self._refused[1] + REFUSED_PAUSE - self._clock()
            if left > 0:
                return left
        return found

    def refused(self, credentials: Credentials) -> None:
        self._refused = (self._digest(credentials), self._clock())

    def _digest(self, credentials: Credentials) -> bytes:
        text = f"{credentials.user}\0{credentials.password}".encode()
        return hashlib.blake2b(text, key=self._salt).digest()
