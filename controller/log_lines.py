"""How a program logs: one line an event, to standard output, where `docker service logs` finds it."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_log(level: str, *, text: bool) -> None:
    """``text``: for people, else JSON."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if text:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
    )
