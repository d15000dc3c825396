"""Docker engines that can be spoken to: by contexts, as docker's own command knows them, or by addresses."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import docker

from deploy.drill.chaos.outside.settings import names
from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble

SECONDS = 20  # for one answer


@dataclass(frozen=True, slots=True)
class Engine:
    """``environment``: for docker's command."""

    name: str
    node: str  # its ID in the swarm
    client: docker.DockerClient
    environment: Mapping[str, str]


def engines(text: str) -> list[Engine]:
    """Those that are managers; others are refused. Raises DrillError."""
    return [_engine(name) for name in names(text) or ("",)]


def _engine(name: str) -> Engine:
    client, environment = _client(name)
    try:
        swarm = client.info()["Swarm"]
    except Trouble as error:
        raise DrillError(f"the Docker of {name or 'the usual context'} does not answer: {error}") from error
    if not swarm.get("ControlAvailable"):
        raise DrillError(
            f"the Docker of {name or 'the usual context'} is no manager of a swarm: name another --context"
        )
    return Engine(name or "the usual context", str(swarm["NodeID"]), client, environment)


def _client(name: str) -> tuple[docker.DockerClient, Mapping[str, str]]:
    """As docker's command chooses: DOCKER_HOST before the chosen context, unless one is named."""
    usual = {key: value for key, value in os.environ.items() if key not in {"DOCKER_HOST", "DOCKER_CONTEXT"}}
    try:
        if "://" in name:
            client = docker.DockerClient(base_url=name, timeout=SECONDS, use_ssh_client=name.startswith("ssh://"))
            return client, {**usual, "DOCKER_HOST": name}
        if not name and os.environ.get("DOCKER_HOST"):
            return docker.DockerClient.from_env(timeout=SECONDS), dict(os.environ)
        return _by_context(name or os.environ.get("DOCKER_CONTEXT", ""), usual)
    except (docker.errors.DockerException, ValueError) as error:
        raise DrillError(f"there is no way to the Docker of {name or 'the usual context'}: {error}") from error


def _by_context(name: str, usual: Mapping[str, str]) -> tuple[docker.DockerClient, Mapping[str, str]]:
    """Docker's own command says what a context is: docker-py looks elsewhere where there is no config.json."""
    words = ["docker", "context", "inspect", *([name] if name else [])]
    said = subprocess.run(words, env=usual, capture_output=True, text=True, check=False, timeout=SECONDS)
    if said.returncode != 0:
        raise DrillError(f"there is no Docker context {name!r}: {said.stderr.strip()}")
    context = json.loads(said.stdout)[0]
    endpoint = context["Endpoints"]["docker"]
    host, files = str(endpoint["Host"]), Path(context["Storage"]["TLSPath"]) / "docker"
    client = docker.DockerClient(
        base_url=host,
        tls=_tls(files, verify=not endpoint.get("SkipTLSVerify")) if files.is_dir() else False,
        timeout=SECONDS,
        use_ssh_client=host.startswith("ssh://"),
    )
    return client, {**usual, "DOCKER_CONTEXT": str(context["Name"])}


def _tls(files: Path, *, verify: bool) -> docker.tls.TLSConfig:
    pair = (str(files / "cert.pem"), str(files / "key.pem")) if (files / "cert.pem").exists() else None
    return docker.tls.TLSConfig(client_cert=pair, ca_cert=str(files / "ca.pem") if verify else None, verify=verify)
