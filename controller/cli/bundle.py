"""
What goes into a support bundle: what the controller says, and its settings; nothing that is secret.

Secrets live in files that the settings name, which are not packed. What might be one all the same is left out: values
of keys that sound like it, passwords in addresses, and whatever stands in those files wherever it turns up.
"""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

LEFT_OUT = "(left out)"
_SECRET = re.compile(r"pass|secret|token|credential|private|thumbprint|(^|_)key($|_)", re.IGNORECASE)
_ADDRESS = re.compile(r"(\w+://)[^/\s\"'@]*@")
_SHORTEST, _LARGEST = 4, 65_536  # characters of what is looked for; bytes of a file that may hold a secret


def without_secrets(value: object, key: str = "") -> object:
    """Settings, with what a secret might be left out. Paths of files stay: they say where it is, not what."""
    if isinstance(value, Mapping):
        return {name: without_secrets(each, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(each, key) for each in value]
    path = isinstance(value, str) and value.startswith("/")
    return LEFT_OUT if _SECRET.search(key) and not path and not isinstance(value, bool) else value


def paths_in(value: object) -> Iterator[Path]:
    """Every absolute path that the settings name."""
    if isinstance(value, Mapping):
        yield from (path for each in value.values() for path in paths_in(each))
    elif isinstance(value, list | tuple):
        yield from (path for each in value for path in paths_in(each))
    elif isinstance(value, str) and value.startswith("/"):
        yield Path(value)


def secrets_in(paths: Iterable[Path]) -> frozenset[str]:
    """Texts in these files, and in those of the folders, that must not turn up: whole, and each longer line."""
    found: set[str] = set()
    for path in paths:
        for each in sorted(path.iterdir()) if path.is_dir() else [path]:
            found.update(_texts(each))
    return frozenset(each for each in found if len(each) >= _SHORTEST)


def _texts(path: Path) -> Iterator[str]:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return
        text = path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return
    yield text
    yield from (line.strip() for line in text.splitlines())


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    for each in sorted(secrets, key=len, reverse=True):
        text = text.replace(each, LEFT_OUT).replace(msgspec.json.encode(each).decode()[1:-1], LEFT_OUT)
    return _ADDRESS.sub(r"\1", text)


def packed(files: Mapping[str, str], folder: str) -> bytes:
    """A tar.gz of these texts, readable by nobody else."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()
