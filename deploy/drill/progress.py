"""One line for each phase, with its seconds. What happens within a phase shows while it lasts, on a terminal only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Line:
    """The phase under way."""

    def __init__(self, name: str, status: Status) -> None:
        self.name = name
        self.note = ""
        self._status = status

    def say(self, note: str) -> None:
        """One sentence; the last one stays in the phase's line."""
        self.note = " ".join(note.split())
        self._status.update(f"{self.name}: {self.note}")


class Progress:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.phase_name = "start"  # where a failure or an interrupt happened

    @contextmanager
    def phase(self, name: str) -> Iterator[Line]:
        self.phase_name = name
        start = time.monotonic()
        with Status(name, console=self.console) as status:
            line = Line(name, status)
            try:
                yield line
            except BaseException:
                self._print("x", line, start)
                raise
        self._print("+", line, start)

    def _print(self, mark: str, line: Line, start: float) -> None:
        text = Text(f"  {mark} {line.name:<28}{time.monotonic() - start:7.1f} s  {line.note}")
        self.console.print(text, style="red" if mark == "x" else None, soft_wrap=True)

    def note(self, text: str, style: str | None = None) -> None:
        self.console.print(Text(text), style=style, soft_wrap=True)
