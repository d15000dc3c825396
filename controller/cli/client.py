"""The commands' way to the controller on this manager: its unix socket. Blocking; a command does one thing."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from typing import TypeVar

import msgspec

from controller.settings import Settings, SettingsError, from_process
from controller.wire import Message, Problem

SECONDS = 30.0

T = TypeVar("T")


class Unanswered(Exception):
    """No answer, or a refusal; the text is for the person at the terminal."""


def ask(path: str, message: Message, answer: type[T]) -> T:
    """One request through the door. Raises Unanswered."""
    door = _door()
    connection = _UnixConnection(door)
    try:
        connection.request("POST", path, msgspec.json.encode(message), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Unanswered(
            f"there is no controller behind {door}: run this in the controller's container on a manager, as\n"
            "  docker exec $(docker ps -q -f label=com.docker.swarm.service.name=reberth_controller) reberth status"
        ) from error
    except PermissionError as error:
        raise Unanswered(f"only root may open {door}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"the controller does not answer: {error or type(error).__name__}") from error
    finally:
        connection.close()
    try:
        if response.status != http.HTTPStatus.OK:
            raise Unanswered(msgspec.json.decode(body, type=Problem).why)
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        raise Unanswered(
            f"the controller's answer is not understood ({error}): command and controller differ"
        ) from error


def _door() -> Path:
    try:
        return from_process().door
    except SettingsError:
        # A broken file must not keep people from asking the controller that runs on an older one.
        return Path(os.environ.get("REBERTH_DOOR", str(Settings().door)))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
