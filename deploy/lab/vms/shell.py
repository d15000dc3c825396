"""
Commands inside a guest, over its private network: the first process of a guest gives a shell to each connection.

The answer begins with a line of three numbers, the exit code and the lengths of output and errors, which follow.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Sequence
from subprocess import CompletedProcess

from deploy.lab.names import LabError

PORT = 2222
_CONNECT = 5.0


def script(command: Sequence[str]) -> bytes:
    """What the shell is given."""
    return (
        "d=$(mktemp -d); "
        f"{shlex.join(command)} >$d/o 2>$d/e </dev/null; "
        'echo $? $(stat -c %s $d/o) $(stat -c %s $d/e); cat $d/o $d/e; rm -rf "$d"; exit\n'
    ).encode()


def parse(answer: bytes, command: Sequence[str]) -> CompletedProcess[str]:
    """Raises LabError when it is cut off."""
    head, _, rest = answer.partition(b"\n")
    try:
        code, out, err = (int(word) for word in head.split())
    except ValueError as error:
        raise LabError(f"The guest's shell gave no answer to {shlex.join(command)!r}: {answer[:200]!r}.") from error
    if len(rest) != out + err:
        raise LabError(f"The guest's answer to {shlex.join(command)!r} was cut off.")
    return CompletedProcess(
        list(command), code, rest[:out].decode(errors="replace"), rest[out:].decode(errors="replace")
    )


def run(address: str, command: Sequence[str], seconds: float = 60) -> CompletedProcess[str]:
    """Raises LabError when the guest does not answer in time."""
    try:
        with socket.create_connection((address, PORT), timeout=_CONNECT) as connection:
            connection.settimeout(seconds)
            connection.sendall(script(command))
            answer = bytearray()
            while chunk := connection.recv(65536):
                answer += chunk
    except OSError as error:
        raise LabError(f"The guest {address} does not run {shlex.join(command)!r}: {error}.") from error
    return parse(bytes(answer), command)
