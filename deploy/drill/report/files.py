"""The report's files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from deploy.drill.report.data import Report, Summary


def write_json(path: Path, value: Report | Summary) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
