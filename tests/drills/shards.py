"""Three replicas of one service, each with a volume named after its slot (deploy/examples/replicas.yml)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deploy.drill.swarm.cluster import Place, reasons, wait_for
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.stacks import DEPLOY

STACK = "shards"
SERVICE = f"{STACK}_shard"


class Shards:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    @contextmanager
    def deployed(self) -> Iterator[None]:
        self.scenario.stacks.deploy(STACK, (DEPLOY / "examples" / "replicas.yml",))
        try:
            wait_for(lambda: self._complaint({1, 2, 3}), 240)
            yield
        finally:
            self.scenario.stacks.docker("stack", "rm", STACK)

    def places(self) -> dict[int, Place]:
        """Where each slot runs now; slots that run nowhere, or on the broken node, are missing."""
        cluster = self.scenario.cluster
        names = cluster.hostnames()
        found: dict[int, Place] = {}
        for task in cluster.tasks(SERVICE):
            status = task["Status"]
            node = names.get(task.get("NodeID", ""), "")
            if task["DesiredState"] == "running" and status["State"] == "running" and node != cluster.avoid:
                found[int(task["Slot"])] = self._look(node, task["ID"], status["ContainerStatus"]["ContainerID"])
        return found

    def _look(self, node: str, task: str, container: str) -> Place:
        mounts = self.scenario.cluster.node_api(node).inspect_container(container)["Mounts"]
        ours = next(mount for mount in mounts if mount.get("Driver", "").startswith("reberth"))
        return Place(node, task, container, str(ours["Name"]), str(ours["Destination"]))

    def write_marks(self) -> None:
        for slot, place in self.places().items():
            self._sql(place, f"CREATE TABLE mark AS SELECT 'slot {slot}' AS word")

    def wait_until_all_are_back(self, volumes: Mapping[int, str]) -> None:
        """Each with its volume and its mark. Where Swarm's leader died, Swarm may have moved the others as well."""

        def complaint() -> str:
            places = self.places()
            assert {slot: place.volume for slot, place in places.items()}.items() <= volumes.items()
            answers = {slot: self._try(place, "SELECT word FROM mark") for slot, place in places.items()}
            words = {slot: said for slot, (code, said) in answers.items() if code == 0}
            assert words.items() <= {slot: f"slot {slot}" for slot in volumes}.items()
            return self._complaint({*volumes}) or ("" if words.keys() == volumes.keys() else f"only {words} are back")

        wait_for(complaint, 180)

    def _complaint(self, wanted: set[int]) -> str:
        places = self.places()
        missing = wanted - places.keys()
        if missing:
            cluster = self.scenario.cluster
            return f"slots {sorted(missing)} do not run: {reasons(cluster.tasks(SERVICE), cluster.hostnames())}"
        silent = [slot for slot, place in places.items() if self._try(place, "SELECT 1")[0] != 0]
        return f"slots {silent} do not answer" if silent else ""

    def _try(self, place: Place, sql: str) -> tuple[int, str]:
        code, out, err = self.scenario.cluster.run(place.node, place.container, "psql", "-U", "postgres", "-XAtqc", sql)
        return code, out.decode().strip() if code == 0 else err

    def _sql(self, place: Place, sql: str) -> str:
        code, words = self._try(place, sql)
        assert code == 0, words
        return words
