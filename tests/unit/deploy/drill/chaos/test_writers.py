"""What a writer says on its published port."""

from __future__ import annotations

import socket
import threading

import pytest

from deploy.drill.chaos.writers import asked
from deploy.drill.errors import DrillError


def say(answer: bytes) -> int:
    """The port of a server that says it to the first who comes, and goes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as taken:
            taken.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_what_the_reader_said_is_the_output_or_the_error() -> None:
    assert asked("127.0.0.1", say(b"0 10\n1 task 1.0")) == (0, b"1 task 1.0", "")
    assert asked("127.0.0.1", say(b"1 4\noops")) == (1, b"", "oops")
    assert asked("127.0.0.1", say(b"-9 0\n")) == (-9, b"", "")


@pytest.mark.parametrize("answer", [b"", b"0 10\n1 task", b"0 x\n", b"0\n", b"hello world\n"])
def test_an_answer_that_broke_off_is_none(answer: bytes) -> None:
    with pytest.raises(DrillError, match="broke off"):
        asked("127.0.0.1", say(answer))
