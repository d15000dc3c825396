"""
Records `reberth demo` in a terminal of its own, as an asciicast (version 2: JSON lines) and as a still picture (SVG).

The output is what the program wrote, when it wrote it; only pauses are bounded, as the header says.
https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 100, 30
MOST_IDLE = 2.0  # seconds
MOST_BYTES = 60_000
DEMO = ("demo",)
TITLE = "reberth demo"
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # from elsewhere: who looks at it would be seen there


@dataclass(frozen=True)
class Recording:
    """``events``: seconds from the start, and what was written then."""

    events: tuple[tuple[float, str], ...]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.events)


class Refused(Exception):
    """The program did not end well: nothing is recorded."""


def record(words: Sequence[str], variables: Mapping[str, str] | None = None) -> Recording:
    """Of `reberth` with these words, until it ends."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "controller.cli.main", *words]
    known = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "REBERTH_CONFIG": "", **(variables or {})}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=known)
    os.close(its)
    try:
        events = tuple(_read(ours))
    finally:
        os.close(ours)
        code = process.wait()
    if code != 0:
        raise Refused(f"`reberth {' '.join(words)}` ended with {code}")
    return Recording(bounded(events, MOST_IDLE))


def _read(terminal: int) -> Iterator[tuple[float, str]]:
    began, decoder = time.monotonic(), getincrementaldecoder("utf-8")("replace")
    while data := _some(terminal):
        yield time.monotonic() - began, decoder.decode(data)


def _some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO where the other end has closed
        return b""


def bounded(events: Sequence[tuple[float, str]], most: float) -> tuple[tuple[float, str], ...]:
    """No pause longer than that; nor before the first word, which a busy machine delays."""
    found, before, now = [], 0.0, 0.0
    for at, text in events:
        now += min(at - before, most)
        before = at
        found.append((round(now, 3), text))
    return tuple(found)


def cast(recording: Recording) -> str:
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": TITLE, "idle_time_limit": MOST_IDLE}
    lines = [header, *([at, "o", text] for at, text in recording.events)]
    return "".join(msgspec.json.encode(each).decode() + "\n" for each in lines)


def still(recording: Recording) -> str:
    """Its last sight, as a terminal shows it."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text(recording.text.replace("\r\n", "\n").rstrip("\n")))
    return _FONTS.sub("", console.export_svg(title=TITLE, unique_id="demo"))


def write(folder: Path) -> None:
    found = record(DEMO)
    made = {"demo.cast": cast(found), "demo.svg": still(found)}
    for name, text in made.items():
        if len(text.encode()) > MOST_BYTES:
            raise ValueError(f"{name} has {len(text.encode())} bytes: {MOST_BYTES} at most")
        (folder / name).write_text(text)
