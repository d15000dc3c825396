"""The swarm as it was before we came: all that is not ours has to be so at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.records.keepers import NAME as KEPT
from deploy.drill.chaos.outside.refusals import Json, hostname
from deploy.drill.chaos.outside.swarm import OutsideCluster, runs


@dataclass(frozen=True, slots=True)
class Before:
    """``specs``: services by name; ``running``: how many tasks of each; ``labels`` by node."""

    specs: Mapping[str, Json]
    running: Mapping[str, int]
    labels: Mapping[str, Json]

    def fewer(self, cluster: OutsideCluster) -> str:
        """Others' services were hit by the nodes that went: a complaint until they are as whole as before."""
        now = _running(cluster)
        return "; ".join(
            f"{name} has {now.get(name, 0)} running tasks, and had {least} before"
            for name, least in self.running.items()
            if now.get(name, 0) < least
        )

    def changed(self, cluster: OutsideCluster) -> Iterator[str]:
        """Services that are not as they were, by whoever's hand."""
        now = _specs(cluster)
        return (f"{name} is not as it was before" for name, spec in self.specs.items() if now.get(name) != spec)

    def labelled(self, cluster: OutsideCluster) -> Iterator[str]:
        now = _labels(cluster)
        for name, labels in self.labels.items():
            if now.get(name) != labels:
                yield f"{name} has the labels {now.get(name)}, and had {labels} before"


def seen_before(cluster: OutsideCluster) -> Before:
    return Before(_specs(cluster), _running(cluster), _labels(cluster))


def _specs(cluster: OutsideCluster) -> dict[str, Json]:
    """But those in which Reberth keeps its records: they change with each volume."""
    specs = {str(each["Spec"]["Name"]): each["Spec"] for each in cluster.api().services()}
    return {name: spec for name, spec in specs.items() if not name.startswith(KEPT)}


def _running(cluster: OutsideCluster) -> Mapping[str, int]:
    return Counter(name for name, _ in _tasks(cluster))


def _labels(cluster: OutsideCluster) -> dict[str, Json]:
    return {hostname(node): node["Spec"].get("Labels") or {} for node in cluster.nodes()}


def _tasks(cluster: OutsideCluster) -> Iterator[tuple[str, str]]:
    """Service and node of each task that runs."""
    api = cluster.api()
    services = {str(each["ID"]): str(each["Spec"]["Name"]) for each in api.services() if not _ends(each)}
    nodes = cluster.hostnames()
    for task in api.tasks():
        if runs(task) and task.get("ServiceID") in services:
            yield services[task["ServiceID"]], nodes.get(str(task.get("NodeID")), "")


def _ends(service: Json) -> bool:
    """A job has fewer tasks by itself."""
    return any("Job" in mode for mode in service["Spec"].get("Mode") or ())


def neighbours(cluster: OutsideCluster) -> list[str]:
    """Services with tasks on nodes that may be broken: they will be hit, too."""
    return sorted({name for name, node in _tasks(cluster) if node in cluster.outside.may_break})
