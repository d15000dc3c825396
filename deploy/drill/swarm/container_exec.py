"""Commands in containers of a lab's nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

SECONDS = 60.0


def run_in(environment: Mapping[str, str], container: str, *command: str) -> tuple[int, bytes, str]:
    """
    A command in a container: exit code, output, and what it said on standard error. Raises subprocess.TimeoutExpired.

    By the docker command, with an ``environment`` that names the engine (`SwarmLab.environment`). docker-py loses what
    an exec says at once, when it comes together with the headers of the answer: seen on a busy machine, as a count(*)
    without a row.
    """
    done = subprocess.run(
        ["docker", "exec", container, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=SECONDS,
    )
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")
