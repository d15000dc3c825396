"""Everywhere on a lab that a secret could be seen by somebody who may not see it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deploy.drill.testbed import Testbed
from deploy.lab.kernel import processes


def seen(where: Iterable[tuple[str, bytes]], words: Iterable[bytes]) -> list[str]:
    """The places that show one of the words, or its base64."""
    forms = [form for word in words for form in (word, base64.b64encode(word))]
    return [place for place, text in where if any(form in text for form in forms)]


def places(testbed: Testbed) -> Iterator[tuple[str, bytes]]:
    yield from _files(testbed)
    for machine in testbed.scenario.lab.nodes:
        yield from _processes(testbed.settings.name, machine.name)
        yield from _docker(testbed, machine.name)


def _files(testbed: Testbed) -> Iterator[tuple[str, bytes]]:
    """Reports, and the logs of the lab, of the engines with the gates' words, and of all containers."""
    testbed.collect(testbed.settings.report / "logs")
    for path in testbed.settings.report.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def _processes(lab: str, node: str) -> Iterator[tuple[str, bytes]]:
    init = processes.node_init(lab, node)
    assert init is not None, f"{node} does not run"
    for pid in processes.members(init):
        for name in ("cmdline", "environ"):
            try:
                yield f"{name} of a process of {node}", Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue  # it has ended


def _docker(testbed: Testbed, node: str) -> Iterator[tuple[str, bytes]]:
    """What `docker inspect` shows of everything there is."""
    client = testbed.scenario.cluster.client(node)
    api: Any = client.api
    told = {
        "containers": [each.attrs for each in client.containers.list(all=True, ignore_removed=True)],
        "plugins": api.plugins(),
        "info": api.info(),
    }
    if testbed.scenario.lab.node(node).manager:
        told |= {name: getattr(api, name)() for name in ("services", "tasks", "configs", "secrets", "nodes")}
    for kind, value in told.items():
        yield f"docker inspect of {kind} on {node}", json.dumps(value).encode()
