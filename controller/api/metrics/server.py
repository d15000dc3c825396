"""
What answers on the metrics port.

``/metrics``: Prometheus' text form. ``/healthz``: 200 while this process does its work (acting, or standing by), else
503. ``/readyz``: 200 where a volume could be moved now: 503 with the reason on the acting controller while a part could
not be read. ``/leader``: 200 on the acting controller, else 503, for load balancers.
"""

from __future__ import annotations

from aiohttp import web
from prometheus_client import generate_latest

from controller.api.metrics.meters import Meters
from controller.api.metrics.state_collector import StateCollector
from controller.reconciler.state import LoopState
from controller.records.base import Acting

LOOK_LIMIT = 60.0  # seconds without a finished look after which an acting controller is not healthy
_OK, _UNAVAILABLE = 200, 503


def metrics_application(meters: Meters, state: LoopState, acting: Acting) -> web.Application:
    meters.registry.register(StateCollector(state, acting))

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(meters.registry), content_type="text/plain", charset="utf-8")

    async def healthz(_: web.Request) -> web.Response:
        return _answer(*health(state, acting, state.clock()))

    async def readyz(_: web.Request) -> web.Response:
        return _answer(*readiness(state, acting, state.clock()))

    async def leader(_: web.Request) -> web.Response:
        return _answer(_OK, "acting") if acting.epoch is not None else _answer(_UNAVAILABLE, "standing by")

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/leader", leader),
        ]
    )
    return app


def health(state: LoopState, acting: Acting, now: float) -> tuple[int, str]:
    look = state.look
    if acting.epoch is None:
        return _OK, "standing by"
    if look is not None and now - look.began > LOOK_LIMIT:
        return _UNAVAILABLE, f"the last look began {now - look.began:.0f} s ago"
    return _OK, "acting"


def readiness(state: LoopState, acting: Acting, now: float) -> tuple[int, str]:
    status, text = health(state, acting, now)
    look = state.look
    if status != _OK or acting.epoch is None:
        return status, text
    if look is None:
        return _UNAVAILABLE, "the first look is not finished"
    if look.world.paused is not None:
        return _UNAVAILABLE, f"paused: {look.world.paused}"
    if look.world.unread:
        return _UNAVAILABLE, "; ".join(look.world.unread)
    return _OK, "acting"


def _answer(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
