"""
What all tests share: a log with plain tracebacks (structlog's drawn ones cost more than tests), a CA, and the API of a
controller with people who have certificates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.support.api_site import Site, site, swarm_ca
from tests.support.certificates import SwarmCa
from tests.support.operators import People, Port, port_for

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

settings.register_profile("reberth", deadline=None)  # a busy machine is no error: speed is measured by tests.bench
settings.load_profile("reberth")


# Looks at a loop that has nothing to do before its time moves on; threads are waited for anyway. By itself looptime
# looks 42 times, which took two thirds of what these tests cost.
LOOKS = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("looptime") is not None:
            item.add_marker(pytest.mark.looptime(noop_cycles=LOOKS), append=False)


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    """With the certificates of nodes a, b and c; who needs others makes a CA of its own, or issues them."""
    return swarm_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def place(ca: SwarmCa, tmp_path: Path) -> AsyncIterator[Site]:
    """A controller's API before a volume that node a has a grant for."""
    async with site(ca, tmp_path) as made:
        await made.granted()
        yield made


@pytest.fixture(scope="module")
def people(ca: SwarmCa, tmp_path_factory: pytest.TempPathFactory) -> People:
    """Alice may act, Bob may look."""
    made = People.with_ca(tmp_path_factory.mktemp("people") / "operators", ca.folder / "ca.crt")
    made.issue("alice", "operator")
    made.issue("bob", "viewer")
    return made


@pytest.fixture
async def port(people: People, place: Site) -> AsyncIterator[Port]:
    async with port_for(people, place) as made:
        yield made
