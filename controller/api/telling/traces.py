"""
Tells an OpenTelemetry collector of each finished move: one trace, with a span for each phase (OTLP over HTTP).

The library is an extra (``pip install reberth[otel]``), imported only where ``otlp_endpoint`` is set. What it would
send from threads of its own at times of its own is made here and sent by us: told once, again where it was not taken,
bounded, as everything in this package. The numbers of a trace come from its volume and time: sent twice, it is one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from controller.api.telling.notices import PAUSES, Notices, Told
from controller.names import own_version
from controller.protocol.views import MoveView
from controller.reconciler.state import LoopState
from controller.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

SECONDS = 10.0  # for one attempt


def endpoint(text: str | None) -> str | None:
    """The collector's address in full. Raises SettingsError, also where the library is not installed."""
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise SettingsError(
            f"otlp_endpoint is {text!r}: say the collector's address, like http://127.0.0.1:4318, without a password"
        )
    try:
        import_module("opentelemetry.sdk.trace")
        import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"otlp_endpoint is set, and the library is not installed ({error}): pip install 'reberth[otel]', or build "
            "the image with --build-arg LOCK=otel"
        ) from error
    return text if parts.path.rstrip("/") else f"{text.rstrip('/')}/v1/traces"


class Traces(Notices):
    """``url``: as `endpoint` gives it."""

    name = "traces"

    def __init__(self, state: LoopState, url: str, pauses: tuple[float, ...] = PAUSES) -> None:
        super().__init__(state, pauses)
        exporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        self._exporter: Any = exporter.OTLPSpanExporter(endpoint=url, timeout=SECONDS)

    async def attempt(self, body: bytes) -> str:
        move = msgspec.json.decode(body, type=Told).move
        if move is None:
            return ""  # an alarm is no trace
        result = await asyncio.to_thread(self._exporter.export, [*spans(move)])
        return "" if result.name == "SUCCESS" else "the collector did not take it"


def spans(move: MoveView) -> Iterator[ReadableSpan]:
    """The move from its first word to the mount, and below it a span for each phase, from the end of the one before."""
    number = hashlib.sha256(f"{move.volume}\0{move.at!r}".encode()).digest()
    whole, kind = _context(number, 0), "planned move" if move.planned else "failover"
    yield _span(f"{kind} {move.volume}", whole, None, (move.at, move.at + (move.total or 0.0)), _about(move))
    ends = sorted(move.seconds.items(), key=lambda each: each[1])
    for at, ((_, begin), (phase, end)) in enumerate(pairwise([("", 0.0), *ends]), 1):
        yield _span(phase, _context(number, at), whole, (move.at + begin, move.at + end), {})


def _about(move: MoveView) -> dict[str, str | bool]:
    evidence = "" if move.evidence is None else move.evidence.value
    return {
        "reberth.volume": move.volume,
        "reberth.source": move.source,
        "reberth.target": move.target,
        "reberth.evidence": evidence,
        "reberth.why": move.why,
        "reberth.planned": move.planned,
    }


def _context(number: bytes, span: int) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 -- an extra

    own = hashlib.sha256(number + span.to_bytes(4, "big")).digest()
    return SpanContext(
        int.from_bytes(number[:16], "big"), int.from_bytes(own[:8], "big"), False, TraceFlags(TraceFlags.SAMPLED)
    )


def _span(
    name: str, own: SpanContext, parent: SpanContext | None, time: tuple[float, float], about: dict[str, str | bool]
) -> ReadableSpan:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- an extra
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

    begin, end = (round(each * 1e6) * 1000 for each in time)  # nanoseconds of a wall clock's float are noise
    service = Resource({"service.name": "reberth", "service.version": own_version()})
    scope = InstrumentationScope("reberth", own_version())
    return ReadableSpan(name, own, parent, service, about, start_time=begin, end_time=end, instrumentation_scope=scope)
