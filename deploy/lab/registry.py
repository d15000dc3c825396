"""The lab's image registry: Debian's docker-registry on the bridge, with its images in the cache folder."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

from deploy.lab.kernel import processes
from deploy.lab.names import MARK, REGISTRY_PORT, ROLE, LabError, LabSpec, Layout

_START_SECONDS = 20.0


def address(spec: LabSpec) -> str:
    return f"{spec.gateway}:{REGISTRY_PORT}"


def start(layout: Layout, spec: LabSpec) -> None:
    """Start it unless it runs; returns when it listens. Raises LabError."""
    if not processes.marked(layout.lab, "registry"):
        _spawn(layout, spec)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((spec.gateway, REGISTRY_PORT), timeout=2).close()
        except OSError as error:
            if time.monotonic() > deadline:
                log = layout.store / "registry.log"
                raise LabError(f"The registry did not start ({error}): see {log}.") from error
            time.sleep(0.05)
        else:
            return


def _spawn(layout: Layout, spec: LabSpec) -> None:
    program = shutil.which("docker-registry")
    if program is None:
        raise LabError("docker-registry is missing: run `make setup`, or `apt-get install docker-registry`.")
    storage = Path(spec.cache).resolve() / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    settings = {  # JSON is YAML
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": address(spec)},
    }
    config = layout.store / "registry.yml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(settings))
    with (layout.store / "registry.log").open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", program, "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": "/usr/bin:/bin", MARK: layout.lab, ROLE: "registry"},
            cwd="/",
            check=True,
        )
