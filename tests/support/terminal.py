"""The command `reberth` as a person starts it, on the unix socket of a real listening controller."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path


async def reberth(door: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ended, with what it printed. The loop goes on meanwhile: it answers."""
    command = [sys.executable, "-m", "controller.cli.main", *words]
    known = {**os.environ, "REBERTH_DOOR": str(door), "COLUMNS": "200", "REBERTH_CONFIG": "", **environment}
    return await asyncio.to_thread(
        subprocess.run, command, env=known, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
