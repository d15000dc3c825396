"""
Names of images. Pure.

The image of a volume's key is called ``reberth-KEY.TOKEN``. The token is new for each attach: who still has an older
name cannot open the image by it. A new image has the token ``new``; one that appears beside an image with another
token was made too late, by a call that had not seen that one, and is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.model import DiskId, VolumeKey
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import key_of
from drivers.libvirt.looking.pools import PREFIX

NEW = "new"
COPY = "_copy."  # of an image that is not whole


@dataclass(frozen=True, slots=True)
class Names:
    """All images of the pool."""

    images: tuple[str, ...]

    def keys(self, beginning: str) -> list[VolumeKey]:
        return sorted({_key(each) for each in self.images if each.startswith(PREFIX + beginning)})

    def of(self, disk: DiskId) -> list[str]:
        key = key_of(disk)
        return [each for each in self.images if each.startswith(PREFIX) and _key(each) == key]

    def current(self, disk: DiskId) -> str | None:
        """None: there is no such disk. Raises Fault where two images could be it."""
        found = self.of(disk)
        given = [each for each in found if not each.endswith(f".{NEW}")]
        if len(given) > 1:
            raise Fault(
                Kind.STATE,
                f"two images could be {disk}: {', '.join(sorted(given))}; see with `rbd info` which one has the data, "
                "and rename the other one (`rbd mv`)",
            )
        return next(iter(given or found), None)

    def copies(self, key: VolumeKey) -> list[str]:
        return [each for each in self.images if each.startswith(COPY) and each.startswith(f"{COPY}{key}.")]


def named(key: VolumeKey, token: str = NEW) -> str:
    return f"{PREFIX}{key}.{token}"


def copy_name(key: VolumeKey, token: str) -> str:
    return f"{COPY}{key}.{token}"


def _key(image: str) -> VolumeKey:
    return VolumeKey(image.rpartition(".")[0].removeprefix(PREFIX))


def names(images: Iterable[str]) -> Names:
    return Names(tuple(images))
