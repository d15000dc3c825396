"""
Why a volume must not be given to whoever wants it now: one sentence with the cure. Pure.

It is shown in ``docker service ps``, so it starts with the service and says what to change in the stack file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.model import NodeId, Spec
from controller.volumes.naming import OF_ONE_TASK
from controller.volumes.options import difference, unusable
from watchers.docker_json import Mount, RawService, RawTask
from watchers.templates import of_one_task, of_slot, varies

_START_FIRST = "start-first"


@dataclass(frozen=True, slots=True)
class Want:
    """
    One task's wish for one volume. ``options``: the expanded ``driver_opts``; ``problem``: already known; ``mounts``:
    at how many places its container has it; ``also``: what its other mounts of it say, where that is something else.
    """

    task: RawTask
    service: RawService
    mount: Mount
    options: Mapping[str, str]
    problem: str | None = None
    mounts: int = 1
    also: tuple[Mapping[str, str], ...] = ()

    @property
    def said(self) -> tuple[Mapping[str, str], ...]:
        return self.options, *self.also


def conflict(wants: Sequence[Want], hosts: Mapping[NodeId, str], spec: Spec | None, holder: str = "") -> str | None:
    """The first reason why nothing may be granted, with the cure; ``wants`` are newest first and not empty."""
    differences = _differences(wants, spec, holder)
    names = _names(wants)
    checks = (
        _problems(wants),
        names,
        _orders(wants),
        _jobs(wants),
        _replicas(wants),
        _places(wants, hosts),
        differences,
    )
    return next((sentence for found in checks for sentence in found), None)


def _problems(wants: Sequence[Want]) -> Iterable[str]:
    for want in wants:
        if want.problem is not None:
            yield f"service {want.service.spec.name}: {want.problem}"


def _names(wants: Sequence[Want]) -> Iterable[str]:
    """What would be another volume, an empty one, for a task that takes another's place."""
    for want in wants:
        name, source = want.service.spec.name, want.mount.source
        if of_one_task(source):
            yield f"service {name} names its volume by the task ({source}): {OF_ONE_TASK}"
        if want.service.spec.mode.replicated_job is not None and not want.task.slot and of_slot(source):
            yield (
                f"service {name} is a job, and Swarm gives its first task the node's ID for {{{{.Task.Slot}}}}: the "
                "volume would be another, empty one on each node: make a job with one task for each volume"
            )


def _orders(wants: Sequence[Want]) -> Iterable[str]:
    for want in wants:
        configured = {
            "update_config": want.service.spec.update_config,
            "rollback_config": want.service.spec.rollback_config,
        }
        for section, update in configured.items():
            if update is not None and update.order == _START_FIRST:
                yield (
                    f"service {want.service.spec.name} has order {_START_FIRST}, which starts the new container while "
                    f"the old one still has the disk: set order: stop-first in deploy.{section}"
                )


def _jobs(wants: Sequence[Want]) -> Iterable[str]:
    """Of a job tasks come one after the other, or several at once; one that is alone may have it."""
    slots: defaultdict[str, set[int]] = defaultdict(set)
    for want in wants:
        if want.service.spec.mode.replicated_job is not None:
            slots[want.service.spec.name].add(want.task.slot)
    for name, found in slots.items():
        if len(found) > 1:
            yield (
                f"service {name} is a job that runs {len(found)} tasks at once on this one volume: let it run one "
                "after the other (`--max-concurrent 1`), or make a job with one task for each volume"
            )


def _replicas(wants: Sequence[Want]) -> Iterable[str]:
    slots: defaultdict[str, set[int]] = defaultdict(set)
    for want in wants:
        name, replicated = want.service.spec.name, want.service.spec.mode.replicated
        slots[name].add(want.task.slot)
        asked = (replicated.replicas or 0) if replicated is not None else 0
        shared = asked if asked > 1 and not varies(want.mount.source) else len(slots[name] - {0})
        if shared > 1:
            yield (
                f"service {name} runs {shared} replicas on this one volume: set replicas: 1, or put {{{{.Task.Slot}}}} "
                "into the volume's name to give each replica its own"
            )


def _places(wants: Sequence[Want], hosts: Mapping[NodeId, str]) -> Iterable[str]:
    places = {want.task.node_id: want for want in reversed(wants) if want.task.node_id}
    if len(places) > 1:
        said = ", ".join(
            sorted(f"{want.service.spec.name} on {hostname(node, hosts)}" for node, want in places.items())
        )
        yield (
            f"it is wanted on {len(places)} nodes at once ({said}), but a disk can be on one VM only, also for "
            f"reading: {_one_place(list(places.values()))}"
        )


def _one_place(wants: Sequence[Want]) -> str:
    service = wants[0].service.spec
    everywhere = service.mode.everywhere is not None or service.mode.global_job is not None
    if everywhere and all(want.service.spec.name == service.name for want in wants):
        return (
            f"service {service.name} is global, with a task for each node: use mode: replicated with replicas: 1, or "
            "put {{.Node.Hostname}} into the volume's name to give each node its own"
        )
    return "bind the services to one node with a placement constraint, or give each its own volume"


def _differences(wants: Sequence[Want], spec: Spec | None, holder: str) -> Iterable[str]:
    """
    Another size of the service that has the volume is a wish, not a mistake: Swarm has stopped its old task by the time
    that anybody could refuse the new one.
    """
    for want in wants:
        for options in want.said:
            sentence = _difference(options, spec, sized=want.service.spec.name != holder)
            if sentence is not None:
                yield f"service {want.service.spec.name}: {sentence}"


def _difference(options: Mapping[str, str], spec: Spec | None, *, sized: bool) -> str | None:
    if not options:
        return None
    if spec is not None:
        return difference(options, spec, sized=sized)
    return unusable(options)


def hostname(node: str, hosts: Mapping[NodeId, str]) -> str:
    """For people; the ID of a node that is not listed."""
    return hosts.get(NodeId(node), node)
