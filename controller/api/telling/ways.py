"""All ways that the settings name."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.telling.notices import Notices
from controller.api.telling.program import Program, program
from controller.api.telling.traces import Traces, endpoint
from controller.api.telling.webhook import Webhook, address
from controller.reconciler.state import LoopState
from controller.settings import Settings


def check(settings: Settings) -> None:
    """Raises SettingsError, where a file that they name is not what it should be."""
    address(settings.webhook_file)
    program(settings.hook)
    endpoint(settings.otlp_endpoint)


def tellers(settings: Settings, state: LoopState) -> Iterator[Notices]:
    """Raises SettingsError."""
    if (url := address(settings.webhook_file)) is not None:
        yield Webhook(state, url)
    if (file := program(settings.hook)) is not None:
        yield Program(state, file)
    if (collector := endpoint(settings.otlp_endpoint)) is not None:
        yield Traces(state, collector)
