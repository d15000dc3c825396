"""``python -m tests.pictures``: all of docs/pictures anew; only what is named, as ``demo`` or ``held``, with words."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.pictures import pages, recording
from tests.pictures.situations import PICTURES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures"
DEMO = "demo"


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    wanted = set(sys.argv[1:]) or {DEMO, *PICTURES}
    if unknown := wanted - {DEMO, *PICTURES}:
        raise SystemExit(f"there is no picture {min(unknown)}: {', '.join((DEMO, *PICTURES))}")
    FOLDER.mkdir(exist_ok=True)
    if DEMO in wanted:
        recording.write(FOLDER)
    taken = {name: each for name, each in PICTURES.items() if name in wanted}
    if taken:
        pages.ready(_say)
        with tempfile.TemporaryDirectory() as profile:
            asyncio.run(pages.take(FOLDER, Path(profile), taken))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
