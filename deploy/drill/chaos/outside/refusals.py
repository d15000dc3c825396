"""Why a swarm is not to be broken, from what Docker tells of it: its own JSON in, sentences out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.model import VolumeName
from controller.names import VOLUME_CONFIG
from controller.volumes.naming import volume_key
from deploy.drill.chaos.outside.settings import PORTS, OutsideSettings, names, pairs
from deploy.drill.chaos.writers import writers

Json = Mapping[str, Any]
ROLE = ("reberth.role", "controller")  # label of the controllers' service: deploy/stack.yml


@dataclass(frozen=True, slots=True)
class Seen:
    """A swarm at one moment."""

    nodes: Sequence[Json]
    services: Sequence[Json]
    configs: Sequence[str]  # names
    secrets: Sequence[str]
    itself: str = ""  # hostname of the machine that this program runs on

    def hostnames(self) -> list[str]:
        return [hostname(node) for node in self.nodes]

    def service_names(self) -> list[str]:
        return [str(each["Spec"]["Name"]) for each in self.services]

    def controllers(self) -> str:
        """Name of the controllers' service, or nothing."""
        found = [each["Spec"] for each in self.services if (each["Spec"].get("Labels") or {}).get(ROLE[0]) == ROLE[1]]
        return str(found[0]["Name"]) if found else ""


def hostname(node: Json) -> str:
    return str(node["Description"].get("Hostname", node["ID"]))


def manages(node: Json) -> bool:
    return str(node["Spec"]["Role"]) == "manager"


def refusals(seen: Seen, settings: OutsideSettings) -> Iterator[str]:
    if not seen.controllers():
        yield f"no service has the label {'='.join(ROLE)}: Reberth is not on this swarm"
    yield from _unknown(seen, settings)
    yield from _unfit(seen, settings)
    yield from _quorum(seen, settings)
    yield from _taken(seen, settings)
    yield from _ports(seen, settings)


def _unknown(seen: Seen, settings: OutsideSettings) -> Iterator[str]:
    known = seen.hostnames()
    options = (
        ("--nodes", settings.breakable),
        ("--run-on", names(settings.run_on)),
        ("--address", tuple(pairs("--address", settings.address))),
    )
    for option, asked in options:
        if strange := [name for name in asked if name not in known]:
            have = ", ".join(sorted(known))
            yield f"{option} names {', '.join(strange)}, which the swarm does not have; it has {have}"
    if twice := [name for name, times in Counter(known).items() if times > 1]:
        yield f"several nodes are called {', '.join(twice)}: remove the old ones with `docker node rm`"
    if settings.switches and seen.itself in settings.breakable:
        yield f"--nodes names {seen.itself}, the machine that this runs on: run it elsewhere"


def _unfit(seen: Seen, settings: OutsideSettings) -> Iterator[str]:
    """Only a whole swarm is broken: else nobody can tell what chaos has done."""
    for node in seen.nodes:
        name, state = hostname(node), str(node["Status"]["State"])
        reachable = (node.get("ManagerStatus") or {}).get("Reachability", "reachable")
        if state != "ready" or reachable != "reachable":
            yield f"{name} is {state}{'' if reachable == 'reachable' else f' and {reachable}'}: mend that first"
        elif name in settings.breakable and node["Spec"]["Availability"] != "active":
            yield f"{name} is set to {node['Spec']['Availability']}: it would be set to active at the end"


def _quorum(seen: Seen, settings: OutsideSettings) -> Iterator[str]:
    managers = [hostname(node) for node in seen.nodes if manages(node)]
    broken = [name for name in managers if name in settings.breakable]
    if settings.switches and not settings.lose_quorum and len(broken) > (len(managers) - 1) // 2:
        yield (
            f"{', '.join(broken)} are {len(broken)} of {len(managers)} managers: faults overlap, and with all of them "
            "off there is no quorum. Name fewer, or say --lose-quorum"
        )


def record_of(volume: str) -> str:
    """Name of the Swarm Config with a volume's record."""
    return f"{VOLUME_CONFIG}{volume_key(VolumeName(volume))}"


def _taken(seen: Seen, settings: OutsideSettings) -> Iterator[str]:
    volumes = [f"{settings.stack}-{name}" for name in ("postgres", *(each.name for each in writers()))]
    taken = {
        "service": _beginning(seen.service_names(), f"{settings.stack}_"),
        "volume": [name for name in volumes if record_of(name) in seen.configs],
        "secret": _beginning(seen.secrets, f"{settings.stack}-"),
    }
    if found := [f"a {kind} {name}" for kind, each in taken.items() for name in each]:
        yield f"there is already {', '.join(found)}: choose another name with --stack, or remove what is left there"


def _beginning(names: Sequence[str], prefix: str) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


def _ports(seen: Seen, settings: OutsideSettings) -> Iterator[str]:
    wanted = range(settings.port, settings.port + PORTS)
    for service in seen.services:
        for port in (service.get("Endpoint") or {}).get("Ports") or ():
            if port.get("PublishedPort") in wanted:
                yield (
                    f"{service['Spec']['Name']} has the port {port['PublishedPort']} already: "
                    f"choose {PORTS} others with --port"
                )
