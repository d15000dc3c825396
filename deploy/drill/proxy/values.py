"""What stands between the controllers and what they call: its wiring, the calls that it heard, and whom it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from deploy.drill.proxy.call_meaning import Step
from deploy.drill.proxy.controller_process import Pid

DOCKER_PORT, STORAGE_PORT = 7071, 7072


class Act(Enum):
    KILL = "kill"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that belongs to a failover. Times in unix seconds."""

    at: float
    node: str
    step: Step
    epoch: int
    status: int
    done: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A controller was stopped."""

    at: float
    node: str
    pid: int
    epoch: int  # the newest that anybody held by then
    released: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """What the controllers' settings name."""

    docker: str
    storage: str


@dataclass(frozen=True, slots=True)
class Wiring:
    """``nodes``: address -> name; ``sockets``: name -> the socket of its dockerd."""

    listen: str
    nodes: Mapping[str, str]
    sockets: Mapping[str, Path]
    storage: str
    pid: Pid
    docker_port: int = DOCKER_PORT
    storage_port: int = STORAGE_PORT
