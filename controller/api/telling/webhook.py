"""Tells another system by POST of alarms and of finished moves: a chat, a pager, a ticket."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from controller.api.telling.notices import PAUSES, Notices
from controller.reconciler.state import LoopState
from controller.settings import SettingsError

SECONDS = 10.0  # for one attempt


def address(file: Path | None) -> str | None:
    """What stands in the file. Raises SettingsError: a webhook that tells nobody would be found out too late."""
    if file is None:
        return None
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"webhook_file: {file} cannot be read: {error}") from error
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(text.split()) != 1:
        raise SettingsError(f"webhook_file: {file} has no address that begins with https:// or http://")
    return text


class Webhook(Notices):
    """``url`` may be a secret: it is never logged."""

    name = "webhook"

    def __init__(self, state: LoopState, url: str, pauses: tuple[float, ...] = PAUSES) -> None:
        super().__init__(state, pauses)
        self._url = url

    async def attempt(self, body: bytes) -> str:
        headers, timeout = {"Content-Type": "application/json"}, aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return "" if answer.status < 300 else f"it answered {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"{type(error).__name__}"
