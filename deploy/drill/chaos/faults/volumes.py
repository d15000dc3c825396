"""What people do to volumes meanwhile: they make, grow, copy, snapshot and remove them."""

from __future__ import annotations

from typing import Any

from docker.errors import APIError

from deploy.drill.chaos.faults.base import Breaker, ChaosFault
from deploy.drill.chaos.schedule import Kind
from deploy.drill.errors import DrillError

MIB = 2**20
STEP = 16 * MIB
PREFIX = "chaos-extra-"
SNAPSHOT = "chaos"
RECORD = "reberth.volume."


def _extra(node: str) -> str:
    return f"{PREFIX}{node}"


def _create(breaker: Breaker, node: str) -> None:
    _make(breaker, node, {"size": "64MiB"})


def _copy(breaker: Breaker, node: str) -> None:
    """Of a volume that is in use: it waits, or is refused with a reason, until the storage can."""
    _make(breaker, node, {"clone-from": breaker.writer(node).volume})


def _make(breaker: Breaker, node: str, options: dict[str, str]) -> None:
    api = breaker.scenario.cluster.node_api(node)
    api.create_volume(_extra(node), driver="reberth", driver_opts=options)


def _gone(breaker: Breaker, node: str) -> None:
    """Removed as people do, and really gone: disk and record. Raises DrillError while it is not."""
    name = _extra(node)
    if not _left(breaker, name):
        return
    try:
        breaker.scenario.cluster.node_api(node).remove_volume(name)
    except APIError as error:
        if error.status_code != 404:
            raise
    if left := _left(breaker, name):
        raise DrillError(f"{', '.join(left)} of the removed volume {name} is still there")


def _left(breaker: Breaker, volume: str) -> list[str]:
    disks = [str(disk["id"]) for disk in breaker.lab.host.call("GET", "/v1/disks")]
    api: Any = breaker.scenario.cluster.api()
    records = [str(each["Spec"]["Name"]) for each in api.configs()]
    found = [disk for disk in disks if disk.startswith(f"{volume}-")]
    return found + [name for name in records if name.startswith(f"{RECORD}{volume}")]


def _grow(breaker: Breaker, node: str) -> None:
    """By a little, each time."""
    volume = breaker.writer(node).volume
    disks = breaker.lab.host.call("GET", "/v1/disks")
    size = max(int(disk["size_bytes"]) for disk in disks if str(disk["id"]).startswith(f"{volume}-"))
    breaker.scenario.cluster.ask_controller("grow", volume, f"{(size + STEP) // MIB}MiB")


def _snapshot(breaker: Breaker, node: str) -> None:
    breaker.scenario.cluster.ask_controller(
        "snapshot", "create", breaker.writer(node).volume, SNAPSHOT, "--wait", "30s"
    )


def _no_snapshot(breaker: Breaker, node: str) -> None:
    volume = breaker.writer(node).volume
    if SNAPSHOT in breaker.scenario.cluster.ask_controller("snapshot", "list", volume):
        breaker.scenario.cluster.ask_controller("snapshot", "delete", volume, SNAPSHOT, "--yes")


FAULTS = (
    ChaosFault(Kind("volume-new"), "A volume is made, and removed.", _create, _gone),
    ChaosFault(Kind("volume-copy"), "A volume is copied, and the copy removed.", _copy, _gone),
    ChaosFault(Kind("volume-grow", lasts=False), "A volume is made larger.", _grow, lambda *_: None),
    ChaosFault(Kind("snapshot"), "A snapshot is made of a volume in use, and deleted.", _snapshot, _no_snapshot),
)
