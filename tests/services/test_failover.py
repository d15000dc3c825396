"""
Services as people run them, from Debian's packages, whose node loses its power while each of them writes: every row
that was acknowledged is there on the other node, and none that nobody sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from rich.console import Console

from deploy.drill.interrupts import delayed
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.images.images import ensure_services
from deploy.lab.lab import Lab
from tests.services.kinds import COPIED_UP, KINDS, NOT_ROOT, Kind
from tests.services.street import MANAGER, Rows, Street
from tests.support.labs import until

pytestmark = pytest.mark.timeout(1800)

FIRST, SECOND = "swarm02", "swarm03"
ENOUGH = 15
PATIENCE = 240.0


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    settings = DrillSettings(
        name=f"services{os.getpid()}",
        subnet=f"10.82.{os.getpid() % 200}.0/24",
        managers=1,
        workers=2,
        heartbeat="1s",
        report=tmp_path_factory.mktemp("services"),
    )
    provider, say = NamespacesProvider(), Console(highlight=False).print
    try:
        provider.packages(say)
        lab = provider.up(settings, say)
        assert isinstance(lab, Lab)
        with closing(Cluster(lab)) as cluster:
            made = Scenario(lab, cluster, provider.stacks(lab, cluster, settings, say))
            made.stacks.deploy_system()
            image = ensure_services(lab, say)
            made.ready(240)
            cluster.set_availability(SECOND, "pause")
            here = Street(lab, image, made.stacks.variables["POSTGRES_IMAGE"])
            for kind in KINDS:
                here.make(kind)
            for kind in KINDS:
                wait_for(partial(here.unfit, FIRST, kind), PATIENCE)
            cluster.set_availability(SECOND, "active")
            yield here
    finally:
        with delayed():
            provider.down(settings)


@pytest.fixture(scope="module")
def said(street: Street) -> dict[str, Rows]:
    return street.lose(FIRST, KINDS, ENOUGH)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_service_has_all_that_it_acknowledged_after_its_node_died(
    street: Street, said: dict[str, Rows], kind: Kind
) -> None:
    until(lambda: street.rows(SECOND, kind) is not None, f"{kind.name} answers on {SECOND}", PATIENCE)
    found, rows = street.rows(SECOND, kind) or [], said[kind.name]
    assert set(rows.kept) | {1} <= set(found) <= set(rows.asked) | {1}
    assert len(found) == len(set(found))
    until(lambda: street.keep(SECOND, kind, 10_000), f"{kind.name} keeps rows on {SECOND}", PATIENCE)


@pytest.mark.parametrize("kind", [NOT_ROOT, COPIED_UP], ids=lambda kind: kind.name)
def test_the_directory_of_an_image_that_is_not_root_keeps_its_owner(
    street: Street, said: dict[str, Rows], kind: Kind
) -> None:
    until(lambda: street.rows(SECOND, kind) is not None, f"{kind.name} answers on {SECOND}", PATIENCE)
    owner = street.inside(SECOND, kind, f"stat -c %u:%g:%a {kind.target}")
    assert owner is not None
    assert (owner.stdout.strip(), said[kind.name].kept != []) == ("472:472:750", True)
    assert street.docker(MANAGER, "service", "ls", "-q").returncode == 0
