"""Which method answers which endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from controller.protocol.answers import Rejection
from controller.protocol.endpoint import Answer, Asked, Endpoint
from controller.protocol.identity import Peer

Reply = msgspec.Struct | Rejection


@dataclass(frozen=True, slots=True)
class Route:
    endpoint: Endpoint[Any, Any]
    answer: Callable[[Peer, msgspec.Struct], Awaitable[Reply]]


def route(endpoint: Endpoint[Asked, Answer], answer: Callable[[Peer, Asked], Awaitable[Answer | Rejection]]) -> Route:
    """``answer`` gets only what `Endpoint.request` says, from a peer that may ask."""

    async def checked(peer: Peer, message: msgspec.Struct) -> Reply:
        if not isinstance(message, endpoint.request):
            raise TypeError(f"decoded {type(message).__name__} for {endpoint.path}")
        return await answer(peer, message)

    return Route(endpoint, checked)


def by_path(routes: Iterable[Route]) -> Mapping[str, Route]:
    return {each.endpoint.path: each for each in routes}
