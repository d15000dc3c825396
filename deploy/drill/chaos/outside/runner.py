"""Chaos on a swarm that is there already: looked at, deployed on, broken, mended, cleaned."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from deploy.drill.chaos.audit import UNREADABLE, Auditor
from deploy.drill.chaos.bank import Bank
from deploy.drill.chaos.faults.base import Breaker
from deploy.drill.chaos.outside.audit import OutsideAuditor
from deploy.drill.chaos.outside.before import Before, seen_before
from deploy.drill.chaos.outside.engines import Engine, engines
from deploy.drill.chaos.outside.refusals import Seen, hostname, refusals
from deploy.drill.chaos.outside.settings import OutsideSettings, pairs
from deploy.drill.chaos.outside.stack import deploy_postgres, ours, remove
from deploy.drill.chaos.outside.swarm import OutsideCluster, OutsideLab, OutsideScenario, made_of
from deploy.drill.chaos.outside.switch import Command, off_by
from deploy.drill.chaos.runner import START, Chaos, Collector
from deploy.drill.chaos.schedule import Episode
from deploy.drill.chaos.writers import Writer
from deploy.drill.errors import DrillError
from deploy.drill.interrupts import interruptible, undisturbed
from deploy.drill.swarm.cluster import wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.stacks import Stacks
from deploy.drill.testbed import unanswered
from deploy.drill.workload.client import CommitClient, Target

MEND = 300.0  # seconds for nodes that were broken to be back
READY = 30.0  # seconds for a swarm to be as whole as it should be before it is broken


@dataclass(frozen=True, slots=True)
class Site:
    """A swarm that may be broken: every refusal has been asked."""

    scenario: Scenario
    lab: OutsideLab
    cluster: OutsideCluster
    postgres: Writer
    beside: list[Writer]
    run: str
    before: Before

    def collect(self, folder: Path) -> None:
        """What a person asks first; the rest is on the nodes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, words in (("status", ("status",)), ("doctor", ("doctor",)), ("events", ("events",))):
            try:
                text = self.cluster.ask_controller(*words)
            except UNREADABLE as error:
                text = str(error)
            (folder / f"{name}.txt").write_text(text)


def look(found: list[Engine]) -> Seen:
    api: Any = found[0].client.api
    return Seen(
        nodes=api.nodes(),
        services=api.services(),
        configs=[str(each["Spec"]["Name"]) for each in api.configs()],
        secrets=[str(each["Spec"]["Name"]) for each in api.secrets()],
        itself=socket.gethostname(),
    )


def survey(settings: OutsideSettings) -> Site:
    """Changes nothing. Raises DrillError with every reason why this swarm is not to be broken so."""
    settings.check()
    off = off_by(settings)
    found = engines(settings.context)
    seen = look(found)
    if problems := tuple(refusals(seen, settings)):
        raise DrillError("Nothing was done. " + "; ".join(problems))
    addresses = pairs("--address", settings.address)
    names = {str(node["ID"]): hostname(node) for node in seen.nodes}
    lab = OutsideLab(
        nodes=tuple(made_of(node, addresses) for node in seen.nodes),
        may_break=frozenset(settings.breakable),
        off=off,
        on=Command(settings.switch_on) if settings.switch_on else None,
        engines={names[each.node]: each for each in found},
    )
    run = uuid4().hex[:12]
    postgres, beside = ours(settings, seen, run)
    cluster = OutsideCluster(lab, seen.controllers(), postgres.service)
    image = next(each["Spec"] for each in seen.services if each["Spec"]["Name"] == seen.controllers())
    variables = {"REBERTH_IMAGE": str(image["TaskTemplate"]["ContainerSpec"]["Image"])}
    scenario = OutsideScenario(lab, cluster, Stacks(lab, cluster, (), variables, {}, {}))
    try:
        scenario.ready(READY)
        lab.machines = cluster.vms()
    except DrillError as error:
        raise DrillError(f"Nothing was done. Reberth is not ready on this swarm: {error}") from error
    return Site(scenario, lab, cluster, postgres, beside, run, seen_before(cluster))


@dataclass(slots=True)
class OutsideChaos(Chaos):
    site: Site = field(kw_only=True)

    @contextmanager
    def standing(self) -> Iterator[tuple[Collector, Auditor]]:
        """With all writers at work. At the end, however it ends, what was broken is mended and what is ours is gone."""
        site, auditor = self.site, None
        with interruptible():
            try:
                with self.progress.phase("PostgreSQL deployed"):
                    target = self._target(deploy_postgres(site.scenario, site.postgres))
                    wait_for(lambda: unanswered(site.cluster, target), START)
                with CommitClient(target) as client, Bank(target, self.load) as bank:
                    auditor = OutsideAuditor(
                        site.scenario,
                        client,
                        site.beside,
                        bank,
                        database=site.postgres.volume,
                        cluster=site.cluster,
                        before=site.before,
                    )
                    self.start(auditor)
                    yield site, auditor
            finally:
                with undisturbed():
                    self._clean()
                    if auditor is not None:
                        self.write(auditor)

    def breaker(self, auditor: Auditor, episode: Episode) -> Breaker:
        """Another service in each episode: the nodes may be few."""
        return Breaker(auditor.scenario, tuple(auditor.writers), episode.number)

    def _target(self, password: str) -> Target:
        return Target(tuple(each.address for each in self.site.lab.nodes), password, self.site.postgres.published)

    def _clean(self) -> None:
        with self.progress.phase("everything removed") as line:
            site = self.site
            mended = _complaint(self._mend)
            left = remove(site.scenario, (site.postgres, *site.beside), site.run)
            self.left = tuple(
                filter(None, (mended, *(f"{each} is left" for each in left), _complaint(self._as_before)))
            )
            line.say("; ".join(self.left) or "nothing is left, and all nodes are as before")

    def _mend(self) -> str:
        """A complaint. What was switched off is on; who was drained is active: at the start all of them were."""
        site = self.site
        for name in tuple(site.lab.is_off):
            site.lab.power_on(name)
        for node in site.cluster.nodes():
            if hostname(node) in site.lab.may_break and node["Spec"]["Availability"] != "active":
                site.cluster.set_availability(hostname(node), "active")
        site.cluster.switch_on_again()
        return site.cluster.all_ready()

    def _as_before(self) -> str:
        before, cluster = self.site.before, self.site.cluster
        return "; ".join(filter(None, [before.fewer(cluster), *before.changed(cluster), *before.labelled(cluster)]))


def _complaint(what: Callable[[], str]) -> str:
    """What it complains of after some patience, or nothing."""
    try:
        wait_for(what, MEND)
    except DrillError as error:
        return str(error)
    return ""
