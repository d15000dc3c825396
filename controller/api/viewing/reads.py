"""What may be read by plain GET, as a table: the routes and their OpenAPI document are made of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from controller.protocol import operator
from controller.protocol.endpoint import Endpoint
from controller.protocol.views import (
    DoctorView,
    EventsView,
    Explanation,
    MovesView,
    NodeLine,
    StatusView,
    UpgradeView,
    VolumeLine,
)

STREAM = "text/event-stream"


class VolumesView(msgspec.Struct, frozen=True):
    volumes: tuple[VolumeLine, ...]


class NodesView(msgspec.Struct, frozen=True):
    nodes: tuple[NodeLine, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """In the path where ``path`` says so, else in the query, where it may be left out."""

    name: str
    about: str
    kind: str = "string"


@dataclass(frozen=True, slots=True)
class Read:
    """
    ``GET path``. The question is put to ``endpoint``: its request is made of the parameters (msgspec.ValidationError
    where they cannot be), and ``picked`` of its answer.
    """

    path: str
    about: str
    endpoint: Endpoint[Any, Any]
    answer: type[msgspec.Struct]
    parameters: tuple[Parameter, ...] = ()
    picked: Callable[[Any], msgspec.Struct] | None = None
    streams: bool = False  # also as server-sent events, for who accepts them

    def request(self, given: Mapping[str, str]) -> msgspec.Struct:
        known = {each.name: given[each.name] for each in self.parameters if each.name in given}
        made: msgspec.Struct = msgspec.convert(known, self.endpoint.request, strict=False)
        return made


VOLUME = Parameter("volume", "name of a volume")
READS = (
    Read("/v1/status", "All of it: volumes, nodes, what could not be read.", operator.STATUS, StatusView),
    Read(
        "/v1/volumes",
        "Each volume: where it is, its state and the reason.",
        operator.STATUS,
        VolumesView,
        picked=lambda found: VolumesView(found.volumes),
    ),
    Read(
        "/v1/volumes/{volume}",
        "One volume: decision, evidence, history and what a person can do (docs/explain.md).",
        operator.EXPLAIN,
        Explanation,
        (VOLUME,),
    ),
    Read(
        "/v1/nodes",
        "Each node: its VM, its gate, and what will hurt some day.",
        operator.STATUS,
        NodesView,
        picked=lambda found: NodesView(found.nodes),
    ),
    Read(
        "/v1/history",
        "Moves of volumes, the newest first, with the seconds of their phases.",
        operator.HISTORY,
        MovesView,
        (
            VOLUME,
            Parameter("node", "hostname of a node that it left or reached"),
            Parameter("since", "unix seconds", "number"),
        ),
    ),
    Read(
        "/v1/events",
        "What happened to volumes, the oldest first; as server-sent events (Accept: text/event-stream) it goes on.",
        operator.EVENTS,
        EventsView,
        (VOLUME, Parameter("since", "unix seconds", "number")),
        streams=True,
    ),
    Read("/v1/doctor", "What is wrong with the swarm, with the cure (docs/doctor.md).", operator.DOCTOR, DoctorView),
    Read(
        "/v1/upgrade",
        "How far an upgrade is, what comes next, and whether to wait (docs/commands.md).",
        operator.UPGRADE,
        UpgradeView,
    ),
)
