"""
The images as they are built, on a real node: the node service makes the gate from its own image, the database starts.

One small lab serves all tests here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from deploy.drill.swarm.container_exec import run_in
from deploy.lab.images.images import PROJECT, Images, ensure_images
from deploy.lab.lab import Lab, LabSpec
from deploy.lab.values import stack_values

CACHE = PROJECT / ".cache"


def eventually(what: str, look: Callable[[], Any], seconds: float = 120) -> Any:
    """The first true answer. Fails with ``what`` and the last answer."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what}; last seen: {found!r}"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    spec = LabSpec(name=f"ti{os.getpid()}", managers=1, subnet=f"10.86.{os.getpid() % 250}.0/24", cache=CACHE)
    try:
        yield Lab.up(spec)
    finally:
        Lab.remove(spec.name)


@pytest.fixture(scope="module")
def images(lab: Lab) -> Images:
    return ensure_images(lab, print)


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[docker.DockerClient]:
    client = lab.docker("swarm01", 150)
    yield client
    client.close()


def plugin(node: docker.DockerClient) -> Any:
    return next((found for found in node.plugins.list() if found.name == "reberth:latest"), None)


def run_node_service(node: docker.DockerClient, images: Images, **environment: str) -> Container:
    """As deploy/stack.yml and deploy/lab/stack.lab.yml have it, without Swarm."""
    return node.containers.run(
        images.reberth,
        ["node"],
        detach=True,
        network_mode="host",
        read_only=True,
        cap_drop=["ALL"],
        tmpfs={"/tmp": ""},
        environment={
            "REBERTH_VM_UUID_FILE": "/run/reberth-lab/vm-uuid",
            "REBERTH_BOOT_ID_FILE": "/run/reberth-lab/boot-id",
            "REBERTH_MACHINE_FOLDER": "/run/reberth-lab",
            **environment,
        },
        volumes={
            "/var/run/docker.sock": {"bind": "/var/run/docker.sock"},
            "/var/lib/docker/swarm": {"bind": "/docker/swarm", "mode": "ro"},
            "/run/reberth-lab": {"bind": "/run/reberth-lab", "mode": "ro"},
        },
    )


@pytest.fixture(scope="module")
def service(node: docker.DockerClient, images: Images) -> Container:
    started = run_node_service(node, images)
    eventually("the gate was not enabled", lambda: (found := plugin(node)) and found.enabled)
    return started


def test_images_that_the_registry_has_are_not_built_again(lab: Lab, images: Images) -> None:
    """The second call finds everything by the digest of what it is made of and says nothing."""
    said: list[str] = []

    assert ensure_images(lab, said.append) == images
    assert said == []


def test_the_gate_is_made_from_the_services_own_image(node: docker.DockerClient, service: Container) -> None:
    """`docker plugin ls` shows it enabled, with the one capability it needs and the node's always-present binds."""
    config = plugin(node).attrs["Config"]

    assert config["Linux"]["Capabilities"] == ["CAP_SYS_ADMIN"]
    sources = [mount["Source"] for mount in config["Mounts"]]
    assert sources == ["/dev", "/var/lib/docker", "/var/lib/docker/plugins", "/run/reberth-lab"]


def test_a_volume_without_a_controller_gets_a_reason(node: docker.DockerClient, service: Container) -> None:
    """The gate itself answers, within Docker's own limit, and says that no controller could be reached."""
    with pytest.raises(docker.errors.APIError, match="no controller could answer"):
        node.volumes.create("orphan", driver="reberth", driver_opts={"size": "1GiB"})


def test_a_disabled_gate_is_enabled_again(node: docker.DockerClient, service: Container) -> None:
    """Somebody disabled it; the node service looks regularly."""
    plugin(node).disable(force=True)

    eventually("the gate stayed disabled", lambda: plugin(node).enabled)


def test_other_settings_exchange_the_gate(node: docker.DockerClient, images: Images, service: Container) -> None:
    """A node service with another port for the controllers makes the gate anew with it."""
    service.remove(force=True)
    before = plugin(node).id
    other = run_node_service(node, images, REBERTH_PORT="7999")

    eventually("the gate is the old one", lambda: (found := plugin(node)) and found.id != before and found.enabled)

    assert "REBERTH_PORT=7999" in plugin(node).attrs["Settings"]["Env"]
    other.remove(force=True)


def test_the_stack_files_are_what_docker_understands(lab: Lab, images: Images) -> None:
    """All that a user would deploy is there: files, variables, a config and a secret with the lab's values."""
    values = stack_values(lab, images)

    assert all(path.is_file() for path in values.files)
    assert b'driver = "lab"' in values.configs["reberth-config"]
    assert values.secrets["reberth-storage"].strip()


@pytest.fixture
def database(node: docker.DockerClient, images: Images, tmp_path: Path) -> Iterator[Container]:
    found = node.containers.run(
        images.postgres,
        detach=True,
        entrypoint=["sh", "-c", "echo sesam >/tmp/password; exec reberth-postgres"],
        environment={"POSTGRES_PASSWORD_FILE": "/tmp/password", "REBERTH_PROBE": "1", "REBERTH_TASK": "t1"},
        volumes={f"db-{tmp_path.name}": {"bind": "/var/lib/postgresql/data"}},
    )
    eventually("PostgreSQL does not answer", lambda: ready(found))
    yield found
    found.remove(force=True, v=True)


def ready(database: Container) -> bool:
    return bool(database.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)


def output(lab: Lab, database: Container, *command: str, **environment: str) -> str:
    variables = [f"{name}={value}" for name, value in environment.items()]
    _, out, err = run_in(lab.environment("swarm01"), str(database.id), "env", *variables, *command)
    return out.decode() + err


def records(lab: Lab, database: Container) -> list[list[str]]:
    """The probe's slots, as the drill reads them."""
    text = output(lab, database, "sh", "-c", "tr -d '\\000' </var/lib/postgresql/data/probe.bin")
    return [line.split() for line in text.splitlines()]


def test_the_database_asks_for_the_secrets_password(lab: Lab, database: Container) -> None:
    """Over the network only the password from the secret's file opens the database."""

    query = ("psql", "-h", "127.0.0.1", "-U", "postgres", "-Atc", "select 1")

    assert output(lab, database, *query, PGPASSWORD="sesam") == "1\n"
    assert "password authentication failed" in output(lab, database, *query, PGPASSWORD="guess")


def test_a_stop_is_a_fast_shutdown_and_the_probe_goes_on_after_it(lab: Lab, database: Container) -> None:
    """SIGTERM ends PostgreSQL cleanly in a moment; the next start continues the probe's sequence without a gap."""
    eventually("the probe writes nothing", lambda: len(records(lab, database)) > 3)
    database.stop(timeout=30)
    state = database.wait()
    database.start()
    eventually("PostgreSQL does not answer", lambda: ready(database))
    count = len(records(lab, database))
    eventually("the probe writes nothing more", lambda: len(records(lab, database)) > count)

    found = records(lab, database)

    assert state["StatusCode"] == 0
    assert b"database system is shut down" in database.logs()
    assert [int(record[5]) for record in found] == list(range(1, len(found) + 1))
    assert found[-1][:5] == ["reberth-probe", "1", "0", "t1", "-"]
