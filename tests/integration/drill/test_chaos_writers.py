"""The programs of writers, as their containers run them."""

from __future__ import annotations

import subprocess
import sys
import time

from deploy.drill.chaos.writers import Writer, asked
from tests.support.ports import free_port

WRITE = "import time\nwhile True: time.sleep(1)"


def test_a_writer_with_a_port_says_there_what_its_reader_reads_and_what_the_reader_complains_of() -> None:
    for reader, wanted in (
        ("print('1 t 1.0')", (0, b"1 t 1.0\n", "")),
        ("import sys; sys.exit('no')", (1, b"", "no\n")),
    ):
        port = free_port()
        writer = Writer("one", WRITE, reader, published=port, listens=port)
        program = subprocess.Popen([sys.executable, *writer.template("image")["ContainerSpec"]["Command"][1:]])
        try:
            assert _patiently(port) == wanted
        finally:
            program.terminate()
        assert program.wait(10) == 0


def _patiently(port: int) -> tuple[int, bytes, str]:
    end = time.monotonic() + 10
    while True:
        try:
            return asked("127.0.0.1", port)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.05)
