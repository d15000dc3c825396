"""One round: rows before the fault, the fault, the first commit after it, and whether all rows are there."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

import psycopg

from deploy.drill.errors import DrillError
from deploy.drill.faults.catalogue import make_fault
from deploy.drill.swarm.cluster import Trouble
from deploy.drill.swarm.scenario import Scenario
from tests.bench.failover.results import STATELESS, Round, Seen
from tests.bench.failover.services import PORTS, Services, volume_of
from tests.bench.table import say

PATIENCE = 150.0
STEADY = 3.0  # seconds of rows before the fault
STEP = 0.02


class Client(threading.Thread):
    """
    Writes numbered rows into one service until it is told to stop, or one that started after the fault has taken one.

    Use one before the fault and another after it: a connection to a machine that is gone hangs for minutes, as its
    kernel answers nothing any more, or still does in place of a database that hangs.
    """

    def __init__(
        self, services: Services, service: str, addresses: Sequence[str], fault_at: float | None = None
    ) -> None:
        super().__init__(name=f"bench-{service}", daemon=True)
        self.service = service
        self.seconds: float | None = None
        self.acknowledged: set[int] = set()
        self.stop = threading.Event()
        self._fault_at = fault_at
        self._addresses = addresses
        self._services = services
        self._number = int(time.time() * 1000)

    def run(self) -> None:
        while not self.stop.is_set():
            self._number += 1
            answer = self._services.commit(self.service, self._addresses, self._number)
            if answer is not None:
                self.acknowledged.add(self._number)
                if self._fault_at is not None and answer.started > self._fault_at:
                    self.seconds = time.time() - self._fault_at
                    return
            time.sleep(STEP)


def one_round(scenario: Scenario, services: Services, role: str, delay: str, heartbeat: str, fault_name: str) -> Round:
    node = choose(scenario, role)
    services.delayed(delay)
    services.gather(node)
    scenario.ready()
    fault = make_fault(fault_name)
    before = [machine.address for machine in scenario.lab.nodes if machine.name == node]
    after = [machine.address for machine in scenario.lab.nodes if machine.name != node]
    earlier = [Client(services, service, before) for service in PORTS]
    _start(earlier)
    time.sleep(STEADY)
    load, fault_at = os.getloadavg()[0], time.time()
    clients = [Client(services, service, after, fault_at) for service in PORTS]
    _start(clients)
    fault.act(scenario, node)
    for client in earlier:
        client.stop.set()
    scenario.cluster.avoid = node
    for client in clients:
        client.join(max(0.1, fault_at + PATIENCE - time.time()))
        client.stop.set()
    seen = {
        client.service: _seen(scenario, services, client, old.acknowledged, fault_at, after)
        for client, old in zip(clients, earlier, strict=True)
    }
    _undo(scenario, fault_name, node)
    return Round(fault_name, role, delay, heartbeat, node, load, seen)


def choose(scenario: Scenario, role: str) -> str:
    """A node of this role. Raises DrillError when there is none."""
    leader = scenario.cluster.leader()
    managers = [machine.name for machine in scenario.lab.nodes if machine.manager]
    found = {
        "leader": [leader] if leader else [],
        "follower": [name for name in managers if name != leader],
        "worker": [machine.name for machine in scenario.lab.nodes if not machine.manager],
    }[role]
    if not found:
        raise DrillError(f"the lab has no {role}")
    return found[0]


def _start(clients: Sequence[Client]) -> None:
    for client in clients:
        client.start()


def _seen(
    scenario: Scenario, services: Services, client: Client, before: set[int], fault_at: float, addresses: Sequence[str]
) -> Seen:
    if client.seconds is None:
        return Seen(None, why=services.why(client.service))
    if client.service == STATELESS:
        return Seen(client.seconds)
    acknowledged, there = before | client.acknowledged, set[int]()
    try:
        there = services.numbers(client.service, addresses)
    except (psycopg.Error, OSError) as error:
        say(f"the rows of {client.service} cannot be read: {error}")
    lost = len(acknowledged - there)
    return Seen(client.seconds, _moments(scenario, client.service, fault_at), len(acknowledged), lost)


def _moments(scenario: Scenario, service: str, fault_at: float) -> dict[str, float]:
    try:
        history = scenario.cluster.explain(volume_of(service)).history
    except (*Trouble, DrillError) as error:
        say(f"the history of {service} cannot be read: {error}")
        return {}
    return {row.moment.value: round(row.at - fault_at, 2) for row in history if row.at >= fault_at}


def _undo(scenario: Scenario, fault_name: str, node: str) -> None:
    fault = make_fault(fault_name)
    fault.undo(scenario, node)
    scenario.cluster.avoid, scenario.cluster.returned = "", node
    scenario.ready(180.0)
