"""A lab of a manager and a worker with Reberth as a user deploys it, one for all tests of a module."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.lab import Lab
from tests.drills import evidence
from tests.drills.rig import deployed
from tests.drills.tiny import Village


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What failed is told with the state of its lab: it is gone when somebody reads the report."""
    report = yield
    if report.failed:
        report.sections.extend(evidence.sections())
    return report


@pytest.fixture(scope="module")
def provider() -> NamespacesProvider:
    return NamespacesProvider()


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory, provider: NamespacesProvider) -> Iterator[Scenario]:
    settings = DrillSettings(
        name=f"errors{os.getpid()}",
        subnet=f"10.81.{os.getpid() % 200}.0/24",
        managers=1,
        workers=1,
        heartbeat="1s",
        report=tmp_path_factory.mktemp("errors"),
    )
    with deployed(settings, provider) as made:
        yield made


@pytest.fixture
def village(scenario: Scenario) -> Iterator[Village]:
    made = Village(scenario)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def lab(scenario: Scenario) -> Lab:
    assert isinstance(scenario.lab, Lab)
    return scenario.lab
