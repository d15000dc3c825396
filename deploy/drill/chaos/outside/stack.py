"""What is deployed on the swarm and taken away again: services, volumes, a secret, all with names of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import Any

from docker.errors import APIError

from deploy.drill.chaos.audit import UNREADABLE
from deploy.drill.chaos.outside.refusals import Seen, hostname, record_of
from deploy.drill.chaos.outside.settings import OutsideSettings, names, pairs
from deploy.drill.chaos.writers import Writer, writers
from deploy.drill.errors import DrillError
from deploy.drill.swarm.scenario import Scenario

LABEL = "reberth.chaos"  # of services and of the secret: the run that made them
DATA = "/var/lib/postgresql/data"
STEP = 2.0
PATIENCE = 180.0  # seconds for all to be gone
QUIET = 10.0  # seconds for which nothing has to come back


def ours(settings: OutsideSettings, seen: Seen, run: str) -> tuple[Writer, list[Writer]]:
    """PostgreSQL, and those that write beside it."""
    wanted = names(settings.run_on)
    away = [hostname(node) for node in seen.nodes if wanted and hostname(node) not in wanted]
    shared = Writer(
        "postgres",
        "",
        "",
        image=settings.postgres_image,
        folder=DATA,
        grace=60,
        constraints=("node.labels.reberth != down", *(f"node.hostname != {name}" for name in away)),
        stack=settings.stack,
        options=pairs("--volume-options", settings.volume_options),
        labels={LABEL: run, "com.docker.stack.namespace": settings.stack},
        published=settings.port,
        listens=5432,
    )
    beside = [
        replace(
            each,
            stack=shared.stack,
            constraints=shared.constraints,
            options=shared.options,
            labels=shared.labels,
            published=settings.port + number,
        )
        for number, each in enumerate(writers(), 1)
    ]
    return shared, beside


def deploy_postgres(scenario: Scenario, postgres: Writer) -> str:
    """Answers its password, which lives as long as it does."""
    api, password = scenario.cluster.api(), token_urlsafe(18)
    name = f"{postgres.stack}-postgres-password"
    made = api.create_secret(name, password.encode(), labels=dict(postgres.labels))
    template = postgres.template("")
    del template["ContainerSpec"]["Command"]
    template["ContainerSpec"] |= {
        "Args": ["-c", "recovery_init_sync_method=syncfs"],
        "Env": ["POSTGRES_PASSWORD_FILE=/run/secrets/password", f"PGDATA={DATA}/pgdata"],
        "Secrets": [
            {
                "SecretID": made["ID"],
                "SecretName": name,
                "File": {"Name": "password", "UID": "0", "GID": "0", "Mode": 0o400},
            }
        ],
    }
    postgres.create(scenario, template)
    return password


def remove(scenario: Scenario, all_of_it: Sequence[Writer], run: str) -> tuple[str, ...]:
    """
    What is still there after some patience, one sentence each; nothing when all is gone, and stays so: a container that
    was starting may have asked for its volume a moment ago.
    """
    began = last = time.monotonic()
    while time.monotonic() < last + QUIET:
        if left := tuple(_left(scenario, all_of_it, run)):
            last = time.monotonic()
            if last > began + PATIENCE:
                return left
        time.sleep(STEP)
    return ()


def _left(scenario: Scenario, all_of_it: Sequence[Writer], run: str) -> Iterator[str]:
    """Each look also takes away what can be taken away by now."""
    try:
        api: Any = scenario.cluster.api()
        services = api.services(filters={"label": f"{LABEL}={run}"})
        for service in services:
            _unless_gone(api.remove_service, service["ID"])
            yield f"the service {service['Spec']['Name']}"
        for secret in api.secrets(filters={"label": f"{LABEL}={run}"}):
            if not services:  # one that a service uses cannot be removed
                _unless_gone(api.remove_secret, secret["ID"])
            yield f"the secret {secret['Spec']['Name']}"
        for writer in all_of_it:
            yield from _volume(scenario, writer.volume, removable=not services)
    except UNREADABLE as error:
        yield f"something: {type(error).__name__}: {error}"


def _unless_gone(act: Any, found: str) -> None:
    try:
        act(found)
    except APIError as error:
        if error.status_code != 404:
            raise


def _volume(scenario: Scenario, volume: str, *, removable: bool) -> Iterator[str]:
    """Its record goes last, when the storage has no disk of it any more."""
    records = {str(each["Spec"]["Name"]) for each in scenario.cluster.api().configs()}
    if record_of(volume) not in records:
        return
    said = ""
    if removable:
        try:
            scenario.cluster.ask_controller("remove", volume, "--now", "--yes")
        except DrillError as error:
            said = f" ({error})"
    yield f"the volume {volume}{said}"
