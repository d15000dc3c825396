"""Which of two versions is older. Pure."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(.*)")


def is_older(one: str, other: str) -> bool:
    """Surely older: by the numbers; of the same numbers, one with a beginning of the release (rc1, .dev3) is."""
    (numbers, more), (others, much) = _parts(one), _parts(other)
    if not numbers or not others:
        return False
    return (numbers, not _before(more)) < (others, not _before(much))


def _parts(version: str) -> tuple[tuple[int, ...], str]:
    found = _RELEASE.fullmatch(version.strip())
    if found is None:
        return (), ""
    numbers = [int(each) for each in found[1].split(".")]
    while len(numbers) > 1 and not numbers[-1]:  # 1.0 and 1.0.0 are one version
        numbers.pop()
    return tuple(numbers), found[2]


def _before(more: str) -> bool:
    return re.match(r"[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview|dev)", more, re.IGNORECASE) is not None
