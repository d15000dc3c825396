"""The commands' way to the controller on this manager: its unix socket. Blocking; a command does one thing."""

from __future__ import annotations

import http.client
import os
from enum import IntEnum
from pathlib import Path

import msgspec

from controller.json_errors import NOT_JSON
from controller.protocol.answers import Status
from controller.protocol.endpoint import Answer, Asked, Endpoint
from controller.protocol.messages import Problem
from controller.protocol.unix_http import UnixConnection
from controller.settings import Settings, SettingsError, from_process

SECONDS = 30.0


class Exit(IntEnum):
    """What a command ends with; 2 (wrong use) is Typer's. docs/commands.md has the table."""

    DONE = 0
    REFUSED = 1
    MISSING = 3
    UNANSWERED = 4


_EXITS = {Status.MISSING: Exit.MISSING, Status.UNAVAILABLE: Exit.UNANSWERED, Status.FAULT: Exit.UNANSWERED}


class Unanswered(Exception):
    """No answer, or a refusal; the text is for the person at the terminal, ``code`` for a script."""

    def __init__(self, text: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(text)
        self.code = code


def ask(endpoint: Endpoint[Asked, Answer], message: Asked) -> Answer:
    """One request through the controller's socket. Raises Unanswered."""
    path = _socket()
    connection = UnixConnection(path, SECONDS)
    try:
        connection.request("POST", endpoint.path, msgspec.json.encode(message), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Unanswered(
            f"there is no controller behind {path}: run this in the controller's container on a manager, as\n"
            "  docker exec $(docker ps -q -f label=com.docker.swarm.service.name=reberth_controller) reberth status",
            Exit.UNANSWERED,
        ) from error
    except PermissionError as error:
        raise Unanswered(f"only root may open {path}", Exit.UNANSWERED) from error
    except (OSError, http.client.HTTPException) as error:
        why = f"the controller does not answer: {error or type(error).__name__}"
        raise Unanswered(why, Exit.UNANSWERED) from error
    finally:
        connection.close()
    try:
        if response.status != Status.DONE:
            why = msgspec.json.decode(body, type=Problem).why
            raise Unanswered(why, _exit(response.status))
        return msgspec.json.decode(body, type=endpoint.answers[Status.DONE])
    except NOT_JSON as error:
        raise Unanswered(
            f"the controller's answer is not understood ({error}): command and controller differ", Exit.UNANSWERED
        ) from error


def _exit(status: int) -> Exit:
    return next((code for each, code in _EXITS.items() if each == status), Exit.REFUSED)


def _socket() -> Path:
    try:
        return from_process().door
    except SettingsError:
        # A broken file must not keep people from asking the controller that runs on an older one.
        return Path(os.environ.get("REBERTH_DOOR", str(Settings().door)))
