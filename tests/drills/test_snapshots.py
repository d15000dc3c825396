"""Snapshots of a PostgreSQL that writes, on a lab whose disks are on xfs: a copy of one, and the way back to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.drill.errors import DrillError
from deploy.drill.labs.namespaces import NamespacesProvider
from tests.drills.tiny import Tiny, Village
from tests.support.labs import on_xfs, until

pytestmark = pytest.mark.timeout(600)

MANAGER, WORKER = "swarm01", "swarm02"
POSTGRES = (
    "sh",
    "-c",
    "echo secret >/tmp/word; export PGDATA=/data/pgdata POSTGRES_PASSWORD_FILE=/tmp/word; exec reberth-postgres",
)


class OnXfs(NamespacesProvider):
    def __init__(self, image: Path) -> None:
        super().__init__()
        self._image = image

    def ground(self, storage: Path) -> None:
        on_xfs(self._image, storage)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> NamespacesProvider:
    return OnXfs(tmp_path_factory.mktemp("xfs") / "image")


def psql(village: Village, node: str, service: str, text: str) -> str:
    found = village.running(node, service)
    if not found:
        return "ERROR no container"
    words = ("env", "PGPASSWORD=secret", "psql", "-h", "127.0.0.1", "-U", "postgres", "-XAtqc", text)
    done = village.cli(node, "exec", found[0], *words)
    return done.stdout.strip() if done.returncode == 0 else f"ERROR {done.stderr}"


def reberth(village: Village, *words: str) -> str:
    return village.scenario.cluster.ask_controller(*words)


def listed(village: Village, volume: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(reberth(village, "snapshot", "list", volume, "--json"))["snapshots"]
    return found


class Load:
    """Commits one batch after the other. ``acked``: the last that was acknowledged."""

    def __init__(self, village: Village) -> None:
        self.village = village
        self.acked = 0
        self._stop = threading.Event()

    def _run(self) -> None:
        while not self._stop.is_set():
            number = self.acked + 1
            if psql(self.village, WORKER, "db", BATCH.format(number)).startswith("ERROR"):
                return
            self.acked = number

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


BATCH = "INSERT INTO batches SELECT {}, n, repeat('x', 500) FROM generate_series(1, 500) n"
COUNTED = "SELECT max(batch), count(*) = 500 * max(batch), count(DISTINCT batch) = max(batch) FROM batches"
CHECKED = "env PGPASSWORD=secret pg_amcheck -h 127.0.0.1 -U postgres --all --heapallindexed --no-password"


def whole(village: Village, node: str, service: str) -> int:
    """The last batch, after all of them; pg_amcheck finds nothing."""
    until(lambda: psql(village, node, service, "SELECT 1") == "1", f"{service} answers")
    most, all_rows, all_batches = psql(village, node, service, COUNTED).split("|")
    assert (all_rows, all_batches) == ("t", "t")
    checked = village.cli(node, "exec", *village.running(node, service), *CHECKED.split())
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout + checked.stderr
    return int(most)


def prepared(village: Village) -> Load:
    village.make(Tiny("db", "db", {"size": "640MiB"}, WORKER, command=POSTGRES, grace=30.0))
    village.runs("db")
    until(lambda: psql(village, WORKER, "db", "SELECT 1") == "1", "PostgreSQL answers")
    psql(village, WORKER, "db", "CREATE EXTENSION amcheck")
    psql(village, WORKER, "db", "CREATE TABLE batches (batch int, n int, text text, PRIMARY KEY (batch, n))")
    return Load(village)


def copied(village: Village, name: str, snapshot: str) -> int:
    """The last batch in a new volume that begins as this snapshot, on the other node."""
    options = {"clone-from": "db", "clone-snapshot": snapshot}
    village.make(Tiny(name, f"{name}-volume", options, MANAGER, command=POSTGRES, grace=30.0))
    village.runs(name)
    return whole(village, MANAGER, name)


def test_a_snapshot_of_a_writing_postgresql_is_whole_in_a_copy_and_after_the_way_back(village: Village) -> None:
    load = prepared(village)
    container = village.running(WORKER, "db")
    with load.running():
        until(lambda: load.acked > 5, "it writes")
        before = load.acked
        assert reberth(village, "snapshot", "create", "db", "first") == "snapshot first of volume db is there\n"
        after = load.acked + 1
        until(lambda: load.acked > after + 5, "it writes on")
    assert village.running(WORKER, "db") == container
    assert before <= copied(village, "copy", "first") <= after
    assert whole(village, WORKER, "db") == load.acked

    with pytest.raises(DrillError, match="service scale db=0"):
        reberth(village, "snapshot", "restore", "db", "first", "--yes")
    village.scale("db", 0)
    village.ended("db")
    told = reberth(village, "snapshot", "restore", "db", "first", "--yes")
    assert "volume db is as its snapshot first; what it had is snapshot before-restore-" in told
    village.scale("db", 1)
    village.runs("db")
    assert before <= whole(village, WORKER, "db") <= after
    first, kept = listed(village, "db")
    assert (first["name"], kept["name"].startswith("before-restore-"), kept["state"]) == ("first", True, "there")
    assert copied(village, "old", kept["name"]) == load.acked

    for each in (first, kept):
        reberth(village, "snapshot", "delete", "db", each["name"], "--yes")
    until(lambda: listed(village, "db") == [], "they are gone")
