"""What people and Swarm do to services meanwhile."""

from __future__ import annotations

import random
import time

from deploy.drill.chaos.faults.base import Act, Breaker, ChaosFault, nothing
from deploy.drill.chaos.schedule import Kind
from deploy.drill.swarm.cluster import SYSTEM


def _drain(breaker: Breaker, node: str) -> None:
    breaker.scenario.cluster.set_availability(node, "drain")


def _activate(breaker: Breaker, node: str) -> None:
    breaker.scenario.cluster.set_availability(node, "active")


def _update(breaker: Breaker, node: str) -> None:
    breaker.scenario.stacks.restart_database(breaker.service(node))


def _update_often(breaker: Breaker, node: str) -> None:
    for _ in range(3):
        _update(breaker, node)
        time.sleep(random.uniform(0.2, 2.0))  # noqa: S311 -- no secret


def _scale(replicas: int) -> Act:
    def scale(breaker: Breaker, node: str) -> None:
        breaker.scenario.stacks.docker("service", "scale", "--detach", f"{breaker.service(node)}={replicas}")

    return scale


def _roll_back(breaker: Breaker, node: str) -> None:
    """Updated first, so that there is something to go back to; the update is still under way."""
    stacks, service = breaker.scenario.stacks, breaker.service(node)
    stacks.docker("service", "update", "--detach", "--env-add", f"CHAOS={time.time():.0f}", service)
    time.sleep(random.uniform(0.5, 6.0))  # noqa: S311 -- no secret
    stacks.docker("service", "rollback", "--detach", service)


def _remove(breaker: Breaker, node: str) -> None:
    breaker.scenario.stacks.docker("service", "rm", breaker.service(node))


def _deploy(breaker: Breaker, node: str) -> None:
    breaker.writer(node).deploy(breaker.scenario)


def _kill_task(breaker: Breaker, node: str) -> None:
    place = breaker.scenario.cluster.place_of(breaker.service(node))
    breaker.scenario.cluster.client(place.node).containers.get(place.container).kill("SIGKILL")


def _system(name: str) -> Act:
    def update(breaker: Breaker, _node: str) -> None:
        breaker.scenario.stacks.docker("service", "update", "--detach", "--force", f"{SYSTEM}_{name}")

    return update


FAULTS = (
    ChaosFault(Kind("drain"), "The node is drained.", _drain, _activate),
    ChaosFault(Kind("update", 2, lasts=False), "A service is updated.", _update, nothing),
    ChaosFault(Kind("update-often", lasts=False), "A service is updated again and again.", _update_often, nothing),
    ChaosFault(Kind("scale-to-zero"), "A service is scaled to nothing and back.", _scale(0), _scale(1)),
    ChaosFault(Kind("rollback", lasts=False), "A service is updated and rolled back.", _roll_back, nothing),
    ChaosFault(Kind("remove"), "A service is removed and deployed again.", _remove, _deploy),
    ChaosFault(Kind("task-kill", lasts=False), "A service's container is killed.", _kill_task, nothing),
    ChaosFault(Kind("controllers-update", lasts=False), "Controllers are exchanged.", _system("controller"), nothing),
    ChaosFault(Kind("nodes-update", lasts=False), "The node services are exchanged.", _system("node"), nothing),
)
