"""Snapshots of a PostgreSQL that writes, on a lab whose disks are on xfs: by hand and by schedule, copies, and back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from controller.model import VolumeName
from controller.records.codec import STATE_LABEL, volume_config
from controller.volumes.naming import volume_key
from deploy.drill.errors import DrillError
from deploy.drill.labs.namespaces import NamespacesProvider
from deploy.lab.lab import Lab
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

    def __init__(self, village: Village, service: str) -> None:
        self.village = village
        self._service = service
        self.acked = 0
        self._stop = threading.Event()

    def _run(self) -> None:
        while not self._stop.is_set():
            number = self.acked + 1
            if psql(self.village, WORKER, self._service, BATCH.format(number)).startswith("ERROR"):
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


def prepared(village: Village, name: str, options: Mapping[str, str] = MappingProxyType({})) -> Load:
    village.make(Tiny(name, name, {"size": "640MiB", **options}, WORKER, command=POSTGRES, grace=30.0))
    village.runs(name)
    until(lambda: psql(village, WORKER, name, "SELECT 1") == "1", "PostgreSQL answers")
    psql(village, WORKER, name, "CREATE EXTENSION amcheck")
    psql(village, WORKER, name, "CREATE TABLE batches (batch int, n int, text text, PRIMARY KEY (batch, n))")
    return Load(village, name)


def copied(village: Village, name: str, snapshot: str, volume: str = "db") -> int:
    """The last batch in a new volume that begins as this snapshot, on the other node."""
    options = {"clone-from": volume, "clone-snapshot": snapshot}
    village.make(Tiny(name, f"{name}-volume", options, MANAGER, command=POSTGRES, grace=30.0))
    village.runs(name)
    return whole(village, MANAGER, name)


def test_a_snapshot_of_a_writing_postgresql_is_whole_in_a_copy_and_after_the_way_back(village: Village) -> None:
    load = prepared(village, "db")
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


class Clock:
    """The record of a volume with a schedule, in Swarm's own store: so much time goes by for its schedule alone."""

    def __init__(self, village: Village, volume: str) -> None:
        self._api = village.api
        self._config = volume_config(volume_key(VolumeName(volume)))

    def _found(self) -> tuple[Mapping[str, Any], dict[str, Any]]:
        found = self._api.inspect_config(self._config)
        return found, json.loads(found["Spec"]["Labels"][STATE_LABEL])

    def own(self, state: str = "") -> list[str]:
        """Its snapshots by schedule, in a state or in all."""
        snapshots = self._found()[1].get("snapshots") or {"each": []}
        own = [each for each in snapshots["each"] if each.get("scheduled")]
        return [each["name"] for each in own if state in {"", each["state"]}]

    def passes(self, seconds: float) -> None:
        """The version says whether a controller wrote it meanwhile: then it is read again."""
        while True:
            found, state = self._found()
            earlier = json.dumps({**state, "scheduled_at": state["scheduled_at"] - seconds})
            spec = {**found["Spec"], "Labels": {**found["Spec"]["Labels"], STATE_LABEL: earlier}}
            url = self._api._url("/configs/{0}/update", found["ID"])
            if self._api._post_json(url, data=spec, params={"version": found["Version"]["Index"]}).status_code == 200:
                return


def killed_at(village: Village, seen: Callable[[], object]) -> None:
    """The controller's process, the moment this is so."""
    until(village.scenario.cluster.controllers, "a controller runs")
    ((_, container),) = village.scenario.cluster.controllers()
    until(seen, "the moment to kill the controller")
    container.kill()


def next_of(clock: Clock, old: str) -> str:
    """The one by schedule, when it is another, and alone."""
    until(lambda: len(clock.own()) == 1 and clock.own("there") not in ([], [old]), "the next one alone", 150)
    return clock.own()[0]


def goes_on(load: Load) -> None:
    acked = load.acked
    until(lambda: load.acked > acked + 5, "it writes on")


def test_a_schedule_goes_on_once_where_its_controller_was_killed_and_a_copy_of_what_it_made_has_all_rows(
    village: Village, lab: Lab
) -> None:
    load, clock = prepared(village, "hourly", {"snapshots": "hourly keep 1"}), Clock(village, "hourly")
    with load.running():
        first = next_of(clock, "")
        reberth(village, "snapshot", "create", "hourly", "mine")
        before = load.acked
        lab.misbehave("slow")  # it takes some seconds until the copy is made
        clock.passes(3600)
        killed_at(village, lambda: clock.own("wanted"))
        lab.misbehave("")
        newest = next_of(clock, first)
        goes_on(load)
    assert [each["name"] for each in listed(village, "hourly")] == ["mine", newest]
    disks = [each["id"] for each in lab.host.call("GET", "/v1/disks")]
    assert len([each for each in disks if each.startswith("snap-hourly")]) == 2, disks
    assert before <= copied(village, "kept", newest, "hourly") <= load.acked
    assert whole(village, WORKER, "hourly") == load.acked
