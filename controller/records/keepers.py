"""
Services that keep the records from being swept away.

A record is a config that no container uses, so that the usual clean-up (``docker config rm $(docker config ls -q)``)
would take all of them, who acts included. Swarm refuses to remove a config that a service names: so some services with
0 replicas, which nothing can start, name them all. Each names at most `MOST` of them: a service is one object in Raft,
whose transactions hold 1.5 MiB, and it is stored with its previous spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiodocker
import msgspec
import structlog

from controller.docker_http import read
from controller.json_errors import NOT_JSON
from controller.records.base import RecordsUnavailable

LABEL = "reberth.records"
NAME = "reberth-records-"
MOST = 400  # some 60 KB of names and IDs, twice
NOWHERE = "node.labels.reberth.records==no-node-has-this"  # were it ever scaled up


_log = structlog.get_logger(__name__)


class _Docker(msgspec.Struct, frozen=True, rename="pascal"):
    pass


class _Version(_Docker, frozen=True):
    index: int


class _Reference(_Docker, frozen=True):
    id: str = msgspec.field(name="ConfigID", default="")
    name: str = msgspec.field(name="ConfigName", default="")


class _Container(_Docker, frozen=True):
    configs: tuple[_Reference, ...] | None = None


class _Task(_Docker, frozen=True):
    container_spec: _Container | None = None


class _Spec(_Docker, frozen=True):
    name: str = ""
    labels: dict[str, str] | None = None
    task_template: _Task = _Task()


class _Listed(_Docker, frozen=True):
    id: str = msgspec.field(name="ID")
    version: _Version
    spec: _Spec = _Spec()


@dataclass(frozen=True, slots=True)
class Keeper:
    """``id`` is empty for one that is to be made. ``names``: of the configs, by ID."""

    number: int
    names: Mapping[str, str]
    id: str = ""
    version: int = 0

    @property
    def name(self) -> str:
        return f"{NAME}{self.number}"


def kept(keepers: Iterable[Keeper]) -> dict[str, str]:
    return {each: name for keeper in keepers for each, name in keeper.names.items()}


def to_write(keepers: list[Keeper], wanted: Mapping[str, str]) -> list[Keeper]:
    """The keepers that have to be changed or made so that each wanted config, and no other, is named by one. Pure."""
    now = kept(keepers)
    missing = [each for each in wanted if each not in now]
    changed: list[Keeper] = []
    for keeper in sorted(keepers, key=lambda each: each.number):
        left = {each: name for each, name in keeper.names.items() if each in wanted}
        room = max(0, MOST - len(left))
        some, missing = missing[:room], missing[room:]
        names = left | {each: wanted[each] for each in some}
        if names != keeper.names:
            changed.append(Keeper(keeper.number, names, keeper.id, keeper.version))
    last = max((each.number for each in keepers), default=0)
    return [*changed, *_more(last, {each: wanted[each] for each in missing})]


def _more(last: int, missing: Mapping[str, str]) -> Iterable[Keeper]:
    """Keepers to make for what the present ones have no room for."""
    each = list(missing.items())
    for number, start in enumerate(range(0, len(each), MOST), last + 1):
        yield Keeper(number, dict(each[start : start + MOST]))


def decoded(answer: bytes) -> tuple[list[Keeper], list[str]]:
    """
    From the list of services with our label. Second, the names of those that somebody else gave it: to change one
    would harm them, and it keeps nothing of ours. Raises RecordsUnavailable.
    """
    try:
        listed = msgspec.json.decode(answer, type=list[_Listed])
    except NOT_JSON as error:
        raise RecordsUnavailable(f"Docker's answer to /services has an unknown form: {error}") from error
    found = [(each.spec.name, _keeper(each)) for each in listed]
    return [keeper for _, keeper in found if keeper is not None], [name for name, keeper in found if keeper is None]


class Keepers:
    """Raises what aiodocker raises, and RecordsUnavailable."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker
        self._strange: list[str] = []

    async def list(self) -> list[Keeper]:
        keepers, strange = decoded(await read(self._docker, "services", {"label": [LABEL]}))
        if strange and strange != self._strange:
            _log.warning("keeper.strange", services=strange, why=f"their label {LABEL} is ours alone: take it away")
        self._strange = strange
        return keepers

    async def write(self, keeper: Keeper) -> None:
        """By compare-and-set on the service's version."""
        spec = _spec(keeper)
        if not keeper.id:
            await self._docker._query_json("services/create", method="POST", data=spec)  # noqa: SLF001
            return
        path, version = f"services/{keeper.id}/update", {"version": str(keeper.version)}
        await self._docker._query_json(path, method="POST", params=version, data=spec)  # noqa: SLF001

    async def let_go(self, config: str) -> None:
        """No keeper names this config any more: it may be removed."""
        for keeper in await self.list():
            if config in keeper.names:
                names = {each: name for each, name in keeper.names.items() if each != config}
                await self.write(Keeper(keeper.number, names, keeper.id, keeper.version))


def _keeper(found: _Listed) -> Keeper | None:
    number, container = (found.spec.labels or {}).get(LABEL, ""), found.spec.task_template.container_spec
    if container is None or not re.fullmatch(r"[1-9][0-9]{0,8}", number) or found.spec.name != f"{NAME}{number}":
        return None
    names = {each.id: each.name for each in container.configs or ()}
    return Keeper(int(number), names, found.id, found.version.index)


def _spec(keeper: Keeper) -> dict[str, Any]:
    configs = [
        {
            "ConfigID": each,
            "ConfigName": name,
            "File": {"Name": f"/records/{name}", "UID": "0", "GID": "0", "Mode": 0o400},
        }
        for each, name in sorted(keeper.names.items(), key=lambda item: item[1])
    ]
    return {
        "Name": keeper.name,
        "Labels": {LABEL: str(keeper.number), "reberth.why": "keeps Reberth's records from being swept away"},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "reberth/nothing-to-run", "Configs": configs},
            "Placement": {"Constraints": [NOWHERE]},
        },
        "Mode": {"Replicated": {"Replicas": 0}},
    }
