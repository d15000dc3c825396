"""The drill's client against a real PostgreSQL."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from deploy.drill.workload.client import CommitClient, NotDurable, Target
from deploy.drill.workload.connections import first_open
from tests.support.postgres import PASSWORD, Postgres, cluster


@pytest.fixture
def server() -> Iterator[Postgres]:
    with TemporaryDirectory(prefix="reberth-ledger-") as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        with cluster(Path(folder)) as started:
            yield started


def target(server: Postgres) -> Target:
    return Target(("127.0.0.3", "127.0.0.1"), PASSWORD, server.port)


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def commits(client: CommitClient, more: int) -> None:
    goal = len(client.journal.commits()) + more
    until(lambda: len(client.journal.commits()) >= goal)


def test_every_acknowledged_row_is_in_the_table_after_the_server_was_killed_and_came_back(server: Postgres) -> None:
    with CommitClient(target(server)) as client:
        commits(client, 20)
        server.kill()
        server.start()
        commits(client, 20)
        found = client.settle()

    assert found.clean
    assert found.acknowledged >= 40
    assert found.in_doubt <= 1
    before, after = client.journal.commits()[0].server, client.journal.commits()[-1].server
    assert after.started > before.started
    assert after.identity == before.identity


def test_a_deleted_row_is_found_to_be_lost_and_a_foreign_one_invented(server: Postgres) -> None:
    with CommitClient(target(server)) as client:
        commits(client, 3)
        client.stop()
        address = f"host=127.0.0.1 port={server.port} user=postgres"
        with psycopg.connect(address, password=PASSWORD, autocommit=True) as connection:
            connection.execute("DELETE FROM ledger WHERE id = (SELECT min(id) FROM ledger)")
            connection.execute("INSERT INTO ledger (id, run, server) VALUES (1000000, %s, 'x')", [client.run])
        found = client.settle()

    assert found.lost == (1,)
    assert len(found.invented) == 1


def test_a_server_that_hangs_with_its_connection_open_leaves_the_row_in_doubt_and_the_client_goes_on(
    server: Postgres,
) -> None:
    with CommitClient(target(server)) as client:
        commits(client, 5)
        server.freeze()
        until(lambda: client.problem != "")
        server.thaw()
        commits(client, 5)
        found = client.settle()

    assert found.clean
    assert found.in_doubt >= 1


def test_a_second_client_leaves_the_rows_of_the_first_one_alone(server: Postgres) -> None:
    with CommitClient(target(server)) as first:
        commits(first, 3)
    with CommitClient(target(server)) as second:
        commits(second, 3)
        assert second.settle().clean

    assert first.settle().clean


def test_a_server_that_may_lose_commits_by_its_settings_ends_the_drill(server: Postgres) -> None:
    server.kill(signal.SIGTERM)
    server.start("fsync=off")
    with CommitClient(target(server)) as client:
        until(lambda: client.problem.startswith("the client stopped"))

    with pytest.raises(NotDurable, match="fsync=off"):
        client.check()


def test_no_address_answers_within_the_time() -> None:
    with pytest.raises(ConnectionError, match="port 1"):
        first_open(["127.0.0.1", "127.0.0.2"], 1, 0.2)
