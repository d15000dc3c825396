"""Metrics in Prometheus' form and the health check, on a port of their own without authentication."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.board import Board
from controller.execute import Lead
from controller.explain import state

LOOK_LIMIT = 60.0  # seconds without a finished look after which an acting controller is not healthy
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Meters:
    """What the loop counts. One registry for each controller, so that tests may have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.looks = Histogram(
            "reberth_look_seconds", "Time of one look at everything", buckets=_SECONDS, registry=self.registry
        )
        self.operations = Counter(
            "reberth_operations", "Operations by action and how they ended", ("action", "end"), registry=self.registry
        )
        self.seconds = Histogram(
            "reberth_operation_seconds", "Time of one operation", ("action",), buckets=_SECONDS, registry=self.registry
        )

    def looked(self, seconds: float) -> None:
        self.looks.observe(seconds)

    def operated(self, action: str, end: str, seconds: float) -> None:
        self.operations.labels(action, end).inc()
        self.seconds.labels(action).observe(seconds)


class BoardCollector(Collector):
    """The present state, read when it is asked for."""

    def __init__(self, board: Board, lead: Lead, clock: Callable[[], float]) -> None:
        self._board = board
        self._lead = lead
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        acting = self._lead.epoch is not None
        yield _gauge("reberth_acting", "1 on the controller that acts", float(acting))
        if not acting:
            return
        yield _gauge("reberth_epoch", "The epoch of the acting controller", float(self._lead.epoch or 0))
        look = self._board.look
        if look is not None:
            yield _gauge("reberth_look_age_seconds", "Since the last look began", self._clock() - look.began)
            yield _gauge(
                "reberth_unread_parts", "What could not be read in the last look", float(len(look.world.unread))
            )
        volumes = GaugeMetricFamily("reberth_volumes", "Volumes by state", labels=["state"])
        for word, many in sorted(Tally(state(action) for action in self._board.decisions.values()).items()):
            volumes.add_metric([word], many)
        yield volumes


def metrics_application(meters: Meters, board: Board, lead: Lead, clock: Callable[[], float]) -> web.Application:
    meters.registry.register(BoardCollector(board, lead, clock))

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(meters.registry), content_type="text/plain", charset="utf-8")

    async def healthz(_: web.Request) -> web.Response:
        look = board.look
        if lead.epoch is None:
            return web.Response(text="standing by\n")
        if look is not None and clock() - look.began > LOOK_LIMIT:
            return web.Response(status=503, text=f"the last look began {clock() - look.began:.0f} s ago\n")
        return web.Response(text="acting\n")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    return app


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)
