"""A collector gets a trace of each move: the real exporter, and a receiver that decodes what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from controller.api.telling.traces import Traces, endpoint
from controller.model import Epoch, EvidenceKind, HistoryEntry, Moment, VolumeName
from controller.planner.actions import Alarm
from controller.planner.plan import Decision
from controller.reconciler.state import LoopState, Observation
from controller.records.moves import Move, moves
from controller.settings import SettingsError
from tests.support.http_site import served
from tests.support.worlds import world

DATA = VolumeName("data")
BEGAN = 1_795_780_800.25


def told(moment: Moment, after: float, node: str, evidence: EvidenceKind | None = None) -> HistoryEntry:
    return HistoryEntry(moment, BEGAN + after, Epoch(3), f"{moment.value} it was", node, evidence)


FAILOVER = (
    told(Moment.EVIDENCE, 0.0, "n1", EvidenceKind.POWERED_OFF),
    told(Moment.DETACHED, 0.5, "n1"),
    told(Moment.ATTACHED, 2.0, "n2"),
    told(Moment.GRANTED, 2.25, "n2"),
    told(Moment.MOUNTED, 3.0, "n2"),
)


def move() -> Move:
    (found,) = moves(FAILOVER)
    return found


@dataclass
class Collector:
    """It answers with these codes, then 200."""

    codes: list[int] = field(default_factory=list)
    got: asyncio.Queue[ResourceSpans] = field(default_factory=asyncio.Queue)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/x-protobuf"
        sent = ExportTraceServiceRequest.FromString(await request.read())
        code = self.codes.pop(0) if self.codes else 200
        if code == 200:
            (found,) = sent.resource_spans
            self.got.put_nowait(found)
        return web.Response(status=code)

    async def next(self) -> ResourceSpans:
        async with asyncio.timeout(60):
            return await self.got.get()


@asynccontextmanager
async def collector(*codes: int) -> AsyncIterator[Collector]:
    made = Collector(list(codes))
    application = web.Application()
    application.router.add_post("/v1/traces", made.handle)
    async with served(application) as made.url:
        yield made


@asynccontextmanager
async def telling(other: Collector) -> AsyncIterator[tuple[LoopState, Traces]]:
    state = LoopState(asyncio.get_running_loop().time)
    url = endpoint(other.url)
    assert url is not None
    traces = Traces(state, url, (0.0, 0.0))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(traces.run())
        yield state, traces
        running.cancel()


def spans_of(found: ResourceSpans) -> dict[str, Span]:
    (scope,) = found.scope_spans
    return {each.name: each for each in scope.spans}


async def test_a_failover_is_one_trace_with_its_phases_as_spans_end_to_end() -> None:
    async with collector() as other, telling(other) as (_, traces):
        traces.moved(DATA, move())
        found = await other.next()
    assert {each.key: each.value.string_value for each in found.resource.attributes}["service.name"] == "reberth"
    spans = spans_of(found)
    whole = spans.pop("failover data")
    assert list(spans) == ["evidence", "detached", "attached", "granted", "mounted"]
    assert {each.trace_id for each in spans.values()} == {whole.trace_id}
    assert {each.parent_span_id for each in spans.values()} == {whole.span_id}
    assert len({each.span_id for each in (*spans.values(), whole)}) == 6
    began = round(BEGAN * 1e6) * 1000
    times = [(each.start_time_unix_nano - began, each.end_time_unix_nano - began) for each in spans.values()]
    millions = [(0, 0), (0, 500), (500, 2000), (2000, 2250), (2250, 3000)]
    assert times == [(begin * 10**6, end * 10**6) for begin, end in millions]
    assert (whole.start_time_unix_nano - began, whole.end_time_unix_nano - began) == (0, 3 * 10**9)
    about = {each.key: each.value.string_value for each in whole.attributes}
    assert (about["reberth.source"], about["reberth.target"], about["reberth.evidence"]) == ("n1", "n2", "powered-off")


async def test_what_was_not_taken_is_sent_again_as_the_same_trace() -> None:
    """Another leader, too, would send it under the same number: a collector keeps one."""
    async with collector(400, 400) as other, telling(other) as (_, traces):
        traces.moved(DATA, move())
        first = spans_of(await other.next())
        traces.moved(DATA, move())
        again = spans_of(await other.next())
        assert other.codes == []
        assert {name: (each.trace_id, each.span_id) for name, each in first.items()} == {
            name: (each.trace_id, each.span_id) for name, each in again.items()
        }
        traces.moved(VolumeName("other"), move())
        assert spans_of(await other.next())["failover other"].trace_id != first["failover data"].trace_id


async def test_an_alarm_is_no_trace_and_holds_up_none() -> None:
    async with collector() as other, telling(other) as (state, traces):
        number = state.begin()
        decision = Decision(DATA, None, Alarm(DATA, "its VM runs", "power it off"))
        state.publish(Observation(number, state.clock(), state.wall(), world()), {DATA: decision})
        await asyncio.sleep(0)
        traces.moved(DATA, move())
        assert "failover data" in spans_of(await other.next())
        assert other.got.empty()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (None, None),
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://otel.example.org/", "https://otel.example.org/v1/traces"),
        ("https://otel.example.org/own/path", "https://otel.example.org/own/path"),
    ],
)
def test_the_address_is_that_of_a_collector_or_its_own_path(text: str | None, url: str | None) -> None:
    assert endpoint(text) == url


@pytest.mark.parametrize("text", ["", "otel:4318", "ftp://otel", "https://user:secret@otel.example.org"])
def test_what_is_no_address_or_holds_a_password_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="otlp_endpoint"):
        endpoint(text)
