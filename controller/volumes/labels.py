"""
Labels of a volume: ``label.NAME: text`` in ``driver_opts``. Pure.

`docker volume create --label` tells them to Docker on that node only, and to no volume driver. They are kept as they
were when the volume was made; one that the stack file says later is not compared: it must not stop a service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIX = "label."
MOST, LONGEST = 16, 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,59}")


def is_label(key: str) -> bool:
    return key.startswith(PREFIX)


def problem(options: Mapping[str, str]) -> str | None:
    """What cannot be meant, with the cure."""
    found = [key for key in options if is_label(key)]
    if len(found) > MOST:
        return f"there are {len(found)} labels: at most {MOST}"
    for key in found:
        if not _NAME.fullmatch(key.removeprefix(PREFIX)):
            return f"{key!r} is no label: write label.NAME with up to 60 letters, digits, '.', '_', '/' and '-'"
        if len(options[key]) > LONGEST or not options[key].isprintable():
            return f"the text of {key!r} is too long or holds control characters: at most {LONGEST} characters"
    return None


def labels(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Name and text, of options without a `problem`, in order."""
    return tuple(sorted((key.removeprefix(PREFIX), text) for key, text in options.items() if is_label(key)))
