"""Programs that are asked something: with a deadline, in a process group of their own that does not outlive it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_MOST_BYTES = 1 << 20
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Ran:
    """``errors``: the last line that the program wrote to standard error that is not empty."""

    code: int
    output: str
    errors: str


async def run(argv: Sequence[str], given: str = "", variables: Mapping[str, str] | None = None) -> Ran:
    """
    Run to the end. ``given``: for standard input, where secrets belong. Raises OSError where there is no such program.

    Whoever is tired of waiting cancels (asyncio.timeout does): then the program and all that it started are killed.
    The environment is PATH, a C locale and ``variables``: nothing of ours.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH, "LC_ALL": "C.UTF-8", **(variables or {})},
        start_new_session=True,
        limit=_MOST_BYTES,
    )
    try:
        # Ends when all that it started have closed their ends, too.
        output, errors = await process.communicate(given.encode())
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    lines = [line.strip() for line in errors[-_MOST_BYTES:].decode(errors="replace").splitlines() if line.strip()]
    return Ran(process.returncode or 0, output[:_MOST_BYTES].decode(errors="replace"), lines[-1] if lines else "")
