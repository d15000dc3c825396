"""
The commands' way to the controller: the unix socket of this manager's, or from afar, as `controller.cli.remote` knows.
Blocking; a command does one thing.
"""

from __future__ import annotations

import http.client
import os
from enum import IntEnum
from pathlib import Path

import msgspec

from controller.cli.remote import RemoteError, Said, post, remote
from controller.json_errors import NOT_JSON
from controller.protocol.answers import Status
from controller.protocol.endpoint import Answer, Asked, Endpoint
from controller.protocol.messages import Problem
from controller.settings import Settings, SettingsError, from_process
from controller.unix_http import UnixConnection

SECONDS = 30.0


class Exit(IntEnum):
    """What a command ends with; 2 (wrong use) is Typer's. docs/commands.md has the table."""

    DONE = 0
    REFUSED = 1
    MISSING = 3
    UNANSWERED = 4
    HELD = 5
    UNFINISHED = 6


_EXITS = {Status.MISSING: Exit.MISSING, Status.UNAVAILABLE: Exit.UNANSWERED, Status.FAULT: Exit.UNANSWERED}


class Unanswered(Exception):
    """No answer, or a refusal; the text is for the person at the terminal, ``code`` for a script."""

    def __init__(self, text: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(text)
        self.code = code


def ask(endpoint: Endpoint[Asked, Answer], message: Asked) -> Answer:
    """One request, through the controller's socket or to a manager from afar. Raises Unanswered."""
    body = msgspec.json.encode(message)
    try:
        far = remote(os.environ)
        said = _through(_socket(), endpoint.path, body) if far is None else far.post(endpoint.path, body, SECONDS)
    except RemoteError as error:
        raise Unanswered(str(error), Exit.UNANSWERED) from error
    try:
        if said.status != Status.DONE:
            why = msgspec.json.decode(said.body, type=Problem).why
            raise Unanswered(why, _exit(said.status))
        return msgspec.json.decode(said.body, type=endpoint.answers[Status.DONE])
    except NOT_JSON as error:
        raise Unanswered(
            f"the controller's answer is not understood ({error}): command and controller differ", Exit.UNANSWERED
        ) from error


def _through(path: Path, question: str, body: bytes) -> Said:
    connection = UnixConnection(path, SECONDS)
    try:
        return post(connection, question, body)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Unanswered(
            f"there is no controller behind {path}: run this in the controller's container on a manager, as\n"
            "  docker exec $(docker ps -q -f label=com.docker.swarm.service.name=reberth_controller) reberth status\n"
            "or from a workstation with a certificate, by --host",
            Exit.UNANSWERED,
        ) from error
    except PermissionError as error:
        raise Unanswered(f"only root may open {path}", Exit.UNANSWERED) from error
    except (OSError, http.client.HTTPException) as error:
        why = f"the controller does not answer: {error or type(error).__name__}"
        raise Unanswered(why, Exit.UNANSWERED) from error
    finally:
        connection.close()


def _exit(status: int) -> Exit:
    return next((code for each, code in _EXITS.items() if each == status), Exit.REFUSED)


def _socket() -> Path:
    try:
        return from_process().door
    except SettingsError:
        # A broken file must not keep people from asking the controller that runs on an older one.
        return Path(os.environ.get("REBERTH_DOOR", str(Settings().door)))
