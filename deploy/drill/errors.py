"""What ends a drill before its verdict, and how it speaks meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""One sentence for a person who watches."""


def silent(_: str) -> None:
    """Where nobody watches."""


class DrillError(Exception):
    """The drill cannot go on; the text says why and what to do."""


class Interrupted(KeyboardInterrupt):
    """A person or the system asked the drill to stop."""
